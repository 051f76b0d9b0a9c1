"""Action plugin of releve_lock: adds the lock's owner, a process on the control node."""

from __future__ import annotations

import datetime
import getpass
import os
import time
from typing import Any

from ansible.plugins.action import ActionBase

from releve.run_owner import gone, owner


class ActionModule(ActionBase):
    """Adds the owner, and takes over a lock whose owner process has ended."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result; `took_over` tells of a stale lock that was replaced."""
        args = dict(self._task.args)
        return self.under_lock(str(args["run"]), str(args.get("verb", "")), args, task_vars)

    def under_lock(
        self, run: str, verb: str, args: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The result of the module, which takes the lock with what is added to `args` here."""
        super().run(task_vars=task_vars)
        args = args | {
            "run": run,
            "content": {
                "run": run,
                "verb": verb,
                "user": getpass.getuser(),
                "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                # Tasks run in forks: the process that lives as long as the run is our parent.
                "owner": owner(os.getppid()),
            },
        }
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        holder = result.get("holder")
        if result.get("failed") and holder and gone(holder):
            args["instead_of"] = holder["run"]
            stale = result["held_by"]
            result = self._execute_module(module_args=args, task_vars=task_vars)
            result["took_over"] = stale
            self._display.warning(f"took over a stale lock: {stale}; that process is gone")
        # Taken beside the target's clock, so that the report can lay both on one line.
        result["control_monotonic"] = time.monotonic()
        result["run"] = run
        return result
