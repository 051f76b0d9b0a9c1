"""Action plugin: one file of evidence, in the run's folder on the control node.

    - releve_evidence: { name: jobs.json, content: "{{ jobs }}" }
    - releve_evidence: { name: probe.json, of: /var/lib/releve/eloquence/record/probe.json }

`content` is text or JSON data; `of` is a file of text on the target. The run is
the one `releve_run_dir` names. In check mode nothing is written. A plugin and not `slurp` and
`copy`, each of which costs half a second per file.
"""

from __future__ import annotations

import shlex
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
        """Never `changed`: evidence is not a change of the system."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result["changed"] = False
        _, args = self.validate_argument_spec(
            {
                "name": {"type": "str", "required": True},
                "content": {"type": "raw"},
                "of": {"type": "str"},
            },
            required_one_of=[("content", "of")],
            mutually_exclusive=[("content", "of")],
        )
        run_dir = (task_vars or {}).get("releve_run_dir")
        if not run_dir:
            raise AnsibleActionFail("no run is open: role stack, tasks_from open comes first")
        if self._task.check_mode:
            return result
        content = args["content"]
        if args["of"] is not None:
            read = self._low_level_execute_command(shlex.join(["cat", "--", args["of"]]))
            if read["rc"] != 0:  # not raised: no `failed_when` would be asked
                return result | {"failed": True, "msg": str(read["stderr"]).strip()}
            content = read["stdout"]
        try:
            keep(str(run_dir), args["name"], content)
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}") from error
        return result
