"""A bad network, made by passing a caller's packets through this process.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    link   one caller's link to the server: cut it, or take its UDP
    relay  UDP and TCP passed on, both ways
"""
