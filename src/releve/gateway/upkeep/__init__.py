"""What runs beside dispatch and keeps its promises.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    redispatch       rooms whose worker died get another agent
    inherited_calls  calls that a gateway before this one assigned
    drain            a cordoned colour is drained when the server lists no call of it
    stale_jobs       jobs whose room is gone are ended
    python_gc        Python's garbage collector, kept from pausing offers
"""
