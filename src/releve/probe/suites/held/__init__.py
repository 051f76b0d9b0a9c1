"""What a held call does and hears, by the kind of its agent.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    plan       what the hold suite is asked to do
    kinds      the course of a kind, and how its calls are opened
    echoing    chirps and their round trips, silences
    talking    a sentence at a pace, and the time to its reply
    listening  the agent is there, and subscribed to the caller
    packets    the longest time without packets
    course     what hold.py asks of each
"""
