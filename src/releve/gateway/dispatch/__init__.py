"""Dispatch: every offer of the server ends in one assignment or one rejection.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    dispatcher        takes offers, assigns jobs, confirms and rejects
    offer             one offer: workers asked in turn; the first yes counts
    presence          workers come, change and go; events about it
    metrics           figures for Prometheus
    registry          all connected workers and their jobs
    agent_attributes  name and colour as attributes of the agent's participant
    worker            one worker, one job
"""
