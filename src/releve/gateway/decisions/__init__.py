"""Decisions: weights, cordons and fallback of each agent, with an epoch and at times a lease.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    in_force  the decisions in force: changed, followed in the file, their leases ended
    file      the file that keeps them over a restart, and its lock
    epochs    which change is taken, and what the end of a lease means: pure functions
    change    what somebody asks for, read from untrusted JSON
    model     a decision, its lease, all decisions
"""
