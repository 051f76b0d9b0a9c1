"""The command `releve probe`; `app` is its Typer application.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    measure  suites that judge an agent
    budget   what the calls of a run cost, before it begins
    calls    suites that hold calls; judging and awaiting held calls
    options  options and exit codes they share
"""

from releve.probe.cli.measure import app

__all__ = ["app"]
