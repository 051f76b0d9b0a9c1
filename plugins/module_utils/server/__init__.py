"""LiveKit Server in the user's project: configured, pinned, replaced with a way back.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    service       looked at, planned, replaced
    replace       files written, the service recreated; put back where it does not come up
    trial         a configuration, started once beside the server that runs
    health        whether the server answers and its workers are registered
    compose_file  the file that pins image and configuration in the user's project
    place         where the configuration of the running container comes from
    host          what the kernel gives the server, and what it should
"""
