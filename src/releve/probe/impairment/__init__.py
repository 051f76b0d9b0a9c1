"""Network impairment: a caller's traffic passes through a proxy in this process.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    link   the link between one caller and the server; cuts it, blocks UDP
    relay  UDP and TCP relays
"""
