"""Runs a module, and prints its progress on the console.

    - releve_watched:
        module: ansible.builtin.wait_for
        args: { timeout: 1800 }
        progress: [docker, logs, --tail, "1", sentinels]
        fresh: [/record/sentinels.jsonl]
        interrupted: [docker, rm, --force, sentinels]

A module prints nothing before its end, and a soak may take an hour. So the command `progress` runs
over the same connection every `releve_progress_seconds`, and its last line is printed when it has
changed. The result is the module's.

Ctrl-C ends the module, and not what it has started elsewhere, as a container. `interrupted` is the
command that does.

The files `fresh` are removed first, so that results of an earlier run are not taken for this
one's. A task of its own would cost half a CPU second.
"""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash

display = Display()
ENDS = (signal.SIGINT, signal.SIGTERM)


class ActionModule(ActionBase):
    """Also the base class for action plugins of other modules."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        _, args = self.validate_argument_spec(
            {
                "module": {"type": "str", "required": True},
                "args": {"type": "dict", "default": {}},
                "progress": {"type": "list", "elements": "str", "required": True},
                "fresh": {"type": "list", "elements": "str", "default": []},
                "interrupted": {"type": "list", "elements": "str", "default": []},
            }
        )
        if args["fresh"]:
            remove = shlex.join(["rm", "-f", "--", *args["fresh"]])
            removed = self._low_level_execute_command(remove)
            if removed["rc"] != 0:
                raise AnsibleActionFail(str(removed["stderr"]).strip())
        with self._ended_by(args["interrupted"]):
            return self.watched(args["module"], args["args"], args["progress"], "", task_vars)

    @contextmanager
    def _ended_by(self, command: list[str]) -> Iterator[None]:
        """Have the command run before this worker ends, which Ctrl-C reaches by SIGINT and Ansible
        then by SIGTERM."""
        if not command:
            yield
            return
        before = {number: signal.getsignal(number) for number in ENDS}

        def end(signum: int, frame: FrameType | None) -> None:
            for number in ENDS:
                signal.signal(number, signal.SIG_IGN)
            try:
                self._low_level_execute_command(f"{shlex.join(command)} >/dev/null 2>&1")
            finally:
                ansible = before[signum]
                if callable(ansible):
                    ansible(signum, frame)

        for number in ENDS:
            signal.signal(number, end)
        try:
            yield
        finally:
            for number, ansible in before.items():
                signal.signal(number, ansible)

    def watched(
        self,
        module: str,
        args: dict[str, Any],
        progress: list[str],
        prefix: str,
        task_vars: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """The module's result. Lines without the `prefix` are not of this run and not shown."""
        result: dict[str, Any] = super().run(task_vars=task_vars)
        every = float((task_vars or {}).get("releve_progress_seconds", 10))
        over = threading.Event()
        watch = threading.Thread(
            target=self._watch, args=(over, every, progress, prefix), daemon=True
        )
        watch.start()
        try:
            done = self._execute_module(module_name=module, module_args=args, task_vars=task_vars)
            return merge_hash(result, done)  # type: ignore[no-any-return]
        finally:
            over.set()
            watch.join()

    def _watch(self, over: threading.Event, every: float, progress: list[str], prefix: str) -> None:
        shown = ""
        while not over.wait(every):
            try:
                said = self._low_level_execute_command(f"{shlex.join(progress)} 2>&1")
            except AnsibleError as error:  # the module goes on; whether it is lost it says itself
                display.vv(f"progress cannot be read: {error}")
                continue
            line = str(said["stdout"]).strip().rpartition("\n")[2]
            if said["rc"] == 0 and line.startswith(prefix) and line not in ("", shown):
                shown = line
                display.display(f"    {_message(line.removeprefix(prefix))}")


def _message(line: str) -> str:
    """The text of a line of JSON, as the gateway and the controller log; any other line itself."""
    try:
        return str(json.loads(line)["message"])
    except (ValueError, TypeError, KeyError):
        return line
