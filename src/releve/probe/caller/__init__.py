"""One synthetic call.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    health         whether a held call was dropped or has no echo
    listener       round trips and silences of a held call
    agent_check    the agent joins, is the right one, and echoes
    bad_tokens     tokens that the server must refuse
    server_check   whether a server can be used from here, as the gateway will
    floor          the round trip from caller to caller, without an agent
    transcripts    the call's transcription
    call           a caller in a room, who talks and listens
    join           the join token, connecting, and why it was refused
    profile        how our calls look to an agent
    state_changes  waiting for a state that callbacks change
    concurrently   several coroutines at once; raises the first error
"""
