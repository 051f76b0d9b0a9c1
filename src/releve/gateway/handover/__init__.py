"""Handover: a live call is moved to the other colour.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    handovers   what an operator has asked for: its rooms, its pace, its end
    leftovers   rooms in which a gateway before this one stopped midway
    steps       one room, step by step: the new agent comes, is heard, the old one leaves
    back        the room as it was
    ends        who is in the room at the end, told
    candidates  which rooms, lowest risk first
    open_rooms  the rooms under way, in a file
    asking      the old agent is asked for its context
    listener    a process that takes the old agent's answer, hidden in the room
    context     the context, checked and put into metadata
    looking     who is in a room
    model       what is asked, and how far a room is
"""
