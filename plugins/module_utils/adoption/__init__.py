"""Live adoption: a running worker is moved from the server to the gateway, its calls go on.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    obstacles    what keeps it from working on a host, tried before anything is changed
    certificate  whether the gateway's certificate would be taken for the server's
    redirect     new connections led to the gateway, the worker's own cut, the rule removed
    group        the processes that a rule on the host's network catches
    connections  which connection is the worker's own
    command      commands of the host, and their errors
"""
