"""Relève: replace a LiveKit voice agent while people are talking to it.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    background  A run's own work on the host gives way to the calls there
    cli         the command `releve`
    report      a run's evidence, and the report made of it
    rollout     the controller that moves weights, watches, and goes back by itself
    gateway     the dispatch gateway between LiveKit Server and the agents' workers
    probe       synthetic calls that measure what a caller hears
    upgrade     v0 agent code rewritten for the v1 framework
    run_owner   whose run it is, and whether that process is gone
    server_config  LiveKit Server's configuration, merged and checked
    settings    the playbooks' settings: the page, and misspelt names
    unix_http   HTTP over a unix socket
    browser     a headless Chromium
    keys        the LiveKit API key pair, from its file
"""

__version__ = "0.1.0"
