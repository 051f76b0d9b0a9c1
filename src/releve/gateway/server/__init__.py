"""LiveKit Server, as the gateway meets it.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    callers        who calls, where that decides about the colour
    connection    registered as one worker, for as long as the gateway runs
    registration  the first message to the server, and its answer
    room_service  rooms, participants and dispatches, by LiveKit's API
    participants  callers, agents and avatars among a room's participants
    errors        no usable answer
"""
