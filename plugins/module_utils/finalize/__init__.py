"""The end of the release that was in service before: drained, removed, kept for a while.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    removal    what removing a release does, step by step
    kept       what stays of it, and its container made from that again
    compose    the user's Compose project starts no second agent
    drain      cordon a colour, and tell by the server's word when its last call is over
"""
