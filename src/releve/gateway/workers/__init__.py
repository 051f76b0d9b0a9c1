"""Agent workers, which connect to the gateway as they would to LiveKit Server.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    session   one worker's WebSocket: registration, status, answers, jobs
    requests  what a worker asks of the server by itself, passed on
    proxy     all other HTTP and WebSocket traffic, to the server unchanged
    limits    how much one peer may ask
"""
