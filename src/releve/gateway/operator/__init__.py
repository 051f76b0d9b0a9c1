"""The operator's side of the gateway.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    api        the admin API, HTTP on a unix socket
    hand_over  POST, GET and DELETE /handover
    decide     decisions: shown and changed
    answers    what the API reads of a request, and its answers when it does not do it
    page       the read-only page on the metrics port
    sse        events as server-sent events
    client     the admin API from the command line
    terminal   the gateway's state as text for a terminal
    logs       one JSON object a line on standard error
"""
