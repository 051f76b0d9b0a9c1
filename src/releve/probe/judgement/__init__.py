"""From measurements to a verdict. Pure, but for the record's file.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    verdict        a suite's probe object
    harm           what people on the line would have noticed of a run
    latency        the figures of the latency gate
    gates          gates and their limits, from gates.yaml
    statistics     percentiles, and how sure they are
    record         the sentinels' record, and what a part of it says
    progress_line  held calls in one line, for the console
"""
