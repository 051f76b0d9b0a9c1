"""The dispatch gateway: it takes the server's offers and decides which worker gets the job.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    cli               the command `releve gateway`
    cli_handover      `releve gateway handover`
    app               one gateway: its parts put together, started and stopped
    listeners         the ports and the admin socket it listens on
    operator          admin API, its client, live events, page, terminal, logs
    handover          live calls moved to the other colour
    workers           agent workers' connections: what they send, ask and may ask
    upkeep            redispatch after a worker's death, drains, stale jobs, Python's collector
    server            the connection to LiveKit Server, and its word on rooms
    dispatch          offers, workers and jobs: who is asked, and who gets the room
    decisions         weights, cordons and fallback in force: epochs, leases, the file
    gateway_id        the name of a gateway and its successors
    registration_key  what the gateway registers at the server: job type, name, namespace
    config            settings, from one YAML file
    auth              API keys, and tokens: verified, and re-signed for jobs
    policy            who gets the room: pure functions
    background        background tasks, supervised
    events            what happens, told live to whoever listens
"""
