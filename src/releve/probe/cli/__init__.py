"""The command `releve probe`; `app` is its face.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    measure  suites that judge an agent
    calls    calls that are held or waited for
    options  options and exit codes they share
"""

from releve.probe.cli.measure import app

__all__ = ["app"]
