"""Action plugin: one file of evidence, in the run's folder on the control node.

    - releve_evidence: { name: jobs.json, content: "{{ jobs }}" }

`content` is text, or anything that JSON can say. The run is the one `releve_run_dir` names. In
check mode nothing is written. A plugin and not `copy`, which costs half a second per file.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from releve.report.keep import keep


class ActionModule(ActionBase):
    """Writes the file at once or not at all."""

    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Evidence is not a change of the system."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result["changed"] = False
        raw = {"type": "raw", "required": True}
        _, args = self.validate_argument_spec({"name": {**raw, "type": "str"}, "content": raw})
        run_dir = (task_vars or {}).get("releve_run_dir")
        if not run_dir:
            raise AnsibleActionFail("no run is open: role stack, tasks_from open comes first")
        if self._task.check_mode:
            return result
        try:
            keep(str(run_dir), args["name"], args["content"])
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}") from error
        return result
