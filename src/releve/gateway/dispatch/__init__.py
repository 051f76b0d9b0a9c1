"""Dispatch: every offer of the server ends in one assignment or one rejection.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    dispatcher        takes offers, assigns jobs, confirms and rejects
    jobs              from the server's assignment to the end: what server and workers say
    room_history      what happened to each room name lately
    offer             one offer: workers asked in turn; the first yes counts
    places            how many calls an agent may have, and how many a worker
    presence          workers come, change and go; events about it
    metrics           figures for Prometheus
    registry          all connected workers and their jobs
    agent_attributes  whose call a room is, as attributes of the agent's participant
    repeats           dispatches that the gateway itself made
    job               a dispatch, and the job that came of it
    worker            one worker
"""
