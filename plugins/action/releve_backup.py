"""Runs the module of its name, and shows on the console meanwhile how far it is. The action plugins
of the other modules of the backup are made of this one.

The module keeps a line about it in the file `progress`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from action import releve_watched


class ActionModule(releve_watched.ActionModule):
    """The module's result is the result."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        args = dict(self._task.args)
        told = ["cat", f"{args.get('home')}/progress"]
        return self.watched(str(self._task.action), args, told, f"{args.get('run')}: ", task_vars)
