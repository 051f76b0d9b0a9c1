"""Ansible callback: writes a run's journal and report, and prints the last line."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ansible import constants as C
from ansible import context
from ansible.executor.stats import AggregateStats
from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase
from ansible.utils.color import ANSIBLE_COLOR

from releve.background import give_way
from releve.report import journal as journals
from releve.report.command import next_command, shown
from releve.report.journal import Failure, Journal, message_of, shorten
from releve.report.refusal import no_hosts, refusal

DOCUMENTATION = """
name: releve_run
type: aggregate
short_description: journal of a Relève run, and its last line
description:
  - A play or task named C((3/9) GATEWAY) and so on begins a step, which lasts until the next one.
  - The run is known as soon as C(set_fact) sets C(releve_run_dir). From then on steps and failures
    are written under its C(evidence) directory. In check mode nothing is written.
  - At the end C(end.json) is written, C(releve report write) makes the report, and the last line
    tells the end and the next command.
  - A run that could do nothing is refused where it begins and exits with 2, as where no host is in
    the play's group, or C(--tags) names a phase that the playbook does not have.
  - Further facts it reads are C(releve_rolled_back), C(releve_waiting), C(releve_superseded),
    C(releve_reason), C(releve_next) and C(releve_end_monotonic) (the target's clock at the end).
requirements:
  - C(callbacks_enabled = releve_run)
  - the releve package, in the Python environment that runs Ansible
"""

_FACTS = {
    "releve_run_dir",
    "releve_rolled_back",
    "releve_waiting",
    "releve_superseded",
    "releve_reason",
    "releve_next",
    "releve_end_monotonic",
}
_REPORT_SECONDS, _PATIENCE_SECONDS = 60, 5
_REFUSED = 2  # the exit code is that of a host that failed


def ancestors(task: Task) -> Iterator[tuple[Block, str]]:
    """The blocks around a task and the section it stands in, innermost first.

    By ids, because Ansible copies blocks when it filters tags; through includes and roles too.
    """
    child, parent = task, task._parent
    while parent is not None:
        if isinstance(parent, Block):
            for section in ("block", "rescue", "always"):
                if any(child._uuid == other._uuid for other in getattr(parent, section)):
                    yield parent, section
        child, parent = parent, parent._parent


class CallbackModule(CallbackBase):
    """Turns Ansible's events into the journal, the report and the last line."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "releve_run"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # With this, the Python of a local module reads its source from a pipe byte by byte: 0.17 s.
        os.environ.pop("PYTHONUNBUFFERED", None)
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Ansible leaves this to the system: through a pipe a run would be silent for minutes.
            sys.stdout.reconfigure(line_buffering=True)
        self._journal: Journal | None = None
        self._facts: dict[str, Any] = {}
        self._playbook, self._hosts = Path(), ""
        self._run_dir: Path | None = None
        self._report_error: str | None = None
        self._last_line: str | None = None
        self._interrupted = False
        self._ansible_handler = signal.signal(signal.SIGINT, self._on_interrupt)
        self._pid = os.getpid()
        atexit.register(self._print_last_line)

    # Ansible's events

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        self._playbook = Path(playbook._file_name).absolute()
        self._journal = Journal(time.monotonic())
        self._facts, self._run_dir, self._report_error = {}, None, None
        # A rollback gets its full share of the CPU.
        if self._playbook.stem != "rollback" and (why := give_way()):
            self._display.vv(f"this run does not give way to calls on this machine: {why}")
        if refused := refusal(playbook, context.CLIARGS):
            self._refuse(*refused)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._hosts = ",".join(play.hosts)
        self._begin(play.get_name())

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._refuse(*no_hosts(self._hosts, context.CLIARGS))

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        if self._interrupted:
            raise KeyboardInterrupt  # the first one was lost where Python may only print it
        self._begin(task.get_name())

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        assert self._journal is not None
        self._journal.note("changed" if result.is_changed() else "ok")
        self._read_facts(result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        assert self._journal is not None
        if ignore_errors:
            self._journal.note("ok")
        else:
            self._read_facts(result)
            around = ancestors(result.task)
            rescuable = any(section == "block" and block.rescue for block, section in around)
            self._failed(result, message_of(result.result), rescuable)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        if not result.task.ignore_unreachable:
            said = f"{result.host.get_name()} cannot be reached: {message_of(result.result)}"
            self._failed(result, shorten(said), False)  # no rescue section takes it

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        self._end(bool(stats.failures or stats.dark))

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Note a Ctrl-C, which Ansible tells no callback, and leave the rest to Ansible."""
        # It may wait for ever for a worker that ended with a lock: then it is interrupted again.
        self._interrupted = True
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS, _PATIENCE_SECONDS)
        if callable(self._ansible_handler):
            self._ansible_handler(number, frame)

    def _refuse(self, reason: str, next_step: str) -> NoReturn:
        """End Ansible here; its exit code would be 0. The last line is printed at exit."""
        self._facts |= {"releve_reason": reason, "releve_next": next_step}
        raise SystemExit(_REFUSED)

    # The run's journal

    def _begin(self, name: str) -> None:
        assert self._journal is not None
        if self._journal.begin(name, time.monotonic()):
            self._write()

    def _read_facts(self, result: CallbackTaskResult) -> None:
        for answer in [result.result, *(result.result.get("results") or [])]:
            facts = answer.get("ansible_facts") if isinstance(answer, dict) else None
            self._facts |= {name: facts[name] for name in _FACTS & set(facts or ())}
        run_dir = self._facts.get("releve_run_dir")
        if run_dir and self._run_dir is None and not context.CLIARGS.get("check"):
            self._run_dir = Path(str(run_dir)).absolute()
            self._write()

    def _failed(self, result: CallbackTaskResult, said: str, rescuable: bool) -> None:
        assert self._journal is not None
        self._journal.failed(
            Failure(
                task=result.task.get_name().strip(),
                host=result.host.get_name(),
                message=said,
                place=tuple((block._uuid, section) for block, section in ancestors(result.task)),
                rescuable=rescuable,
                step=self._journal.steps[-1] if self._journal.steps else None,
            )
        )
        self._write()

    def _write(self, ended: dict[str, object] | None = None) -> None:
        """Write the journal. An error is printed in the last line."""
        assert self._journal is not None
        if self._run_dir is None:
            return
        try:
            journals.write(self._run_dir, self._journal, ended)
        except OSError as error:
            self._report_error = f"{error.filename}: {error.strerror}"

    # The end

    def _end(self, failed: bool) -> None:
        """Write the run's end and its report, and compose the last line."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        journal, facts, now = self._journal, self._facts, time.monotonic()
        assert journal is not None
        ended = journals.end(
            journal,
            now,
            failed=failed,
            interrupted=self._interrupted,
            rolled_back=bool(facts.get("releve_rolled_back")),
            waiting=bool(facts.get("releve_waiting")),
            superseded=bool(facts.get("releve_superseded")),
            reason=facts.get("releve_reason"),
        )
        page = None
        if self._run_dir is not None:
            page = shown(self._run_dir.parent / "latest" / "report.html")
            self._write(
                {
                    "verdict": ended.verdict,
                    "reason": ended.reason,
                    "seconds": ended.seconds,
                    "monotonic": facts.get("releve_end_monotonic"),
                    "control_monotonic": now,
                }
            )
            self._report(self._run_dir)
        self._last_line = journals.last_line(
            journal,
            ended,
            again=next_command(self._playbook),
            back=next_command(self._playbook.with_name("rollback.yml")),
            verb=(self._run_dir and journals.verb_of(self._run_dir)) or self._playbook.stem,
            page=page,
            next_step=facts.get("releve_next"),
            report_error=self._report_error,
        )
        self._journal = None

    def _report(self, run_dir: Path) -> None:
        """Run the `releve` beside our own Python and show the table it prints.

        Ctrl-C is ignored meanwhile, so that a finished run keeps its report.
        """
        # Not through `releve`, which loads gateway and probes: half a second of a rollback.
        command = [sys.executable, "-m", "releve.report", "write", str(run_dir)]
        shape = {"COLUMNS": str(shutil.get_terminal_size((100, 24)).columns)}
        if ANSIBLE_COLOR:
            shape["FORCE_COLOR"] = "1"
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=_REPORT_SECONDS,
                env=os.environ | shape,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._report_error = shorten(f"releve report write: {error}")
            return
        finally:
            signal.signal(signal.SIGINT, handler)
        self._show(done.stdout.rstrip("\n"))
        if done.returncode:
            self._report_error = (
                shorten(done.stderr) or f"releve report write exited {done.returncode}"
            )

    # The very end

    def _print_last_line(self) -> None:
        """Print the last line at exit, after Ansible's output. Ends a run that has no end yet.

        Ctrl-C, and an error that a playbook cannot go on from, skip v2_playbook_on_stats and are
        only printed after the callbacks are gone. A forked worker prints nothing.
        """
        if os.getpid() != self._pid:
            return
        if self._journal is not None:
            self._end(failed=True)
        if self._last_line is not None:
            good = self._last_line.startswith("DONE")
            self._show(self._last_line, color=C.COLOR_OK if good else C.COLOR_ERROR)

    def _show(self, text: str, color: str | None = None) -> None:
        self._display.display(text, color=color)
        sys.stdout.flush()
