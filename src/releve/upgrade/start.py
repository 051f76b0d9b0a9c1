"""Run by an agent's own Python: start a program as itself, on a host that may be busy.

    python -P start.py FILE ARGUMENT …

A worker of livekit-agents 1.x tells its host's CPU as its load unless it is given another measure,
and a server gives no call to a worker whose load is 1. Where code is tried, that says what the
neighbours do: the average of such samples reads 0 here. And it kills job processes that are not
ready in 10 s, again and again where the host is slow: they get INITIALIZE_SECONDS, unless the
program says how long. Nothing else differs from `python FILE`.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from livekit.agents import WorkerOptions
from livekit.agents.utils import MovingAverage

INITIALIZE_SECONDS = 120.0

MovingAverage.get_avg = lambda self: 0.0
_make = WorkerOptions.__init__
WorkerOptions.__init__ = lambda self, *args, **options: _make(
    self, *args, **{"initialize_process_timeout": INITIALIZE_SECONDS} | options
)

del sys.argv[0]
sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
runpy.run_path(sys.argv[0], run_name="__main__")
