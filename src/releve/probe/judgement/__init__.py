"""From measurements to a verdict. Pure, but for the record's file.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    verdict        a suite's probe object
    harm           what callers would have noticed of a run
    latency        the figures of the latency gate
    gates          gates and their limits, from gates.yaml
    statistics     percentiles and confidence intervals
    budget         rooms and turns that a run causes
    record         the sentinels' record, and a summary of a window of it
    progress_line  held calls in one line, for the console
"""
