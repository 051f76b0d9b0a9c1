"""Synthetic calls that measure what a caller hears, and the gates that judge it.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    cli         the command `releve probe`
    app         what the Flutter app does, by its protocol and in a browser
    suites      what is measured, one suite a module
    impairment  network impairment: a cut link, blocked UDP
    caller      one synthetic call: join, talk, listen, check the agent
    media       audio, chirps and echoes; WebRTC statistics
    judgement   gates, statistics, the sentinels' record
    host        what host, containers and the probe itself use
"""
