"""Action plugin of releve_rollback: names the run, and writes the module's result as evidence."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.loader import action_loader

from releve.report.command import next_command
from releve.report.keep import keep

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
Lock = action_loader.get("releve_lock", class_only=True)


class ActionModule(Lock):
    """One task from the lock to the evidence."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result, and the facts by which the callback knows the run."""
        started = datetime.now(UTC)
        control_monotonic = time.monotonic()
        run = f"{started:%Y%m%dT%H%M%SZ}-rollback-{secrets.token_hex(2)}"
        result = self.under_lock(run, "rollback", self._task.args, task_vars)
        if "left" not in result or self._task.check_mode:
            return result
        run_dir = Path(str(self._task.args["reports"]), run)
        flip, left = result["flip"], result["left"]
        evidence = {
            "run.json": {
                "id": run,
                "verb": "rollback",
                "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
                "monotonic": result["began"],
                "control_monotonic": control_monotonic,
            },
            "flip.json": {"ms": flip["ms"], "at": flip["at"], "count": flip["flips"]}
            if "at" in flip
            else None,
            "jobs.json": left.pop("jobs", None),
            "sentinels.jsonl": left.pop("record", None),
        }
        try:
            for name, content in evidence.items():
                if content is not None:
                    keep(run_dir, name, content)
        except OSError as error:
            result |= {"failed": True, "msg": f"{error.filename}: {error.strerror}"}
        result["ansible_facts"] = {
            "releve_run_dir": str(run_dir),
            "releve_end_monotonic": left["monotonic"],
        }
        if result.get("image_gone"):
            further = "-e part=images -e snapshot=<a backup from before it was finalized>"
            restore = next_command(PLAYBOOKS / "restore.yml", further=further)
            again = next_command(PLAYBOOKS / "rollback.yml")
            result["ansible_facts"]["releve_next"] = f"{restore}, then {again}"
        return result
