"""The operator's side of the gateway.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    api        the admin API, HTTP on a unix socket
    hand_over  POST, GET and DELETE /handover
    decide     decisions: shown and changed
    page       the read-only page on the metrics port
    why        why a room has the agent that it has, or none
    verdict    the same as sentences: pure functions
    answers    what the API reads of a request, and its answers when it does not do it
    sse        events as server-sent events
    client     the admin API from the command line
    terminal   the gateway's state as text for a terminal
    logs       one JSON object a line on standard error
"""
