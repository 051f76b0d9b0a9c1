"""What runs on a host: LiveKit Servers and agents, whatever started them. Read, never changed.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    page       what was found, as a table
    inventory  what was found, as an inventory that preflight accepts
    obstacles  why a stack cannot be moved today, and what would have to change
    machine    one look at a host: servers, agents, and which belong together
    agents     workers, and programs that join rooms by themselves
    servers    by their program, their answer, and where agents are connected to
    routes     where a connection leads, through proxies and the gateway
    programs   the interpreter that an agent runs on, and questions to it
    inside     those questions, run by that interpreter
    places     the container or unit of a process, from engine and kernel
    sockets    TCP sockets and HTTP requests in every network namespace
    processes  proc(5)
"""
