"""What the controller observes and asks.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    live        the gateway's figures, asked every few seconds
    gateway     the gateway's admin API as the controller uses it
    sentinels   the sentinels' record, followed, and the gates on it
    comparison  the comparison probe, a process of its own
    figures     gates on the gateway's figures, the new release beside the old: pure
"""
