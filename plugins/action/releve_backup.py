"""Runs the module of its name, and prints its progress. The action plugins of the other backup
modules use this class, too.

The module writes its progress as a line into the file `progress`.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.loader import action_loader

# One plugin finds another as Ansible does: their folder is on no path of Python's.
Watched = action_loader.get("releve_watched", class_only=True)


class ActionModule(Watched):
    """The module's result is the result."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        args = dict(self._task.args)
        told = ["cat", f"{args.get('home')}/progress"]
        return self.watched(str(self._task.action), args, told, f"{args.get('run')}: ", task_vars)
