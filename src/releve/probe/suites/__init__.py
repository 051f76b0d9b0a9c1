"""Suites: each makes calls, measures, and returns a probe object.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    load          more and more calls at once, until a gate breaks
    compare       two colours called in the same seconds
    callers       many callers at once, for load and compare
    echo          chirps timed there and back
    soak          calls held for long, and what changed
    kind          what an agent is: it echoes, talks, listens, or needs something
    hold          sentinels and arrivals, held through a run
    held          what a held call does, by the kind of its agent
    connect       time to the agent's audio; bad tokens are refused
    conversation  a sentence said to a talking agent, its reply timed
    network       a caller whose network fails, or blocks UDP
    arrivals      when new rooms are opened beside held calls
    idle          waits until no room has a participant
"""
