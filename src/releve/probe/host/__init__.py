"""CPU and memory of the host, its containers and the probe.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    container_memory  a container's memory, by its cgroup
    usage             CPU and memory of everything beside the probe
    capacity          how many calls and rooms the host carries
    own_cost          CPU of the probe itself
    isolated_process  a measurement in a process of its own, which survives SDK crashes
"""
