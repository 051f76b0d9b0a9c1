"""The journal of a run: steps, failures, end, and the last line that is printed.

Kept by the Ansible callback `releve_run`, read back by `releve.report.evidence`. Standard library
only, because every `ansible-playbook` pays for this import.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from releve.report.keep import keep

_STEP = re.compile(r"(?:^| : )(?P<whole>(?P<title>\(\d+/\d+\) [A-Z]+(?: [A-Z]+)*)\b.*)")
_RUN_ID = re.compile(r"^\d{8}T\d{6}Z-(?P<verb>.+)-[0-9a-f]{4}$")
_PROOF = "; evidence: "
_RANK = ("skipped", "ok", "changed", "failed")


@dataclass(slots=True)
class Step:
    """One numbered step; `started` is on the control node's monotonic clock, seconds."""

    name: str
    started: float
    seconds: float | None = None
    outcome: str = "skipped"

    def note(self, outcome: str) -> None:
        """Record a task's outcome; the most severe one is kept."""
        self.outcome = max(self.outcome, outcome, key=_RANK.index)

    @property
    def title(self) -> str:
        """`(4/9) ADOPT` of `(4/9) ADOPT: a live worker moves behind the gateway`."""
        match = _STEP.search(self.name)
        return match["title"] if match else self.name


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed on a host.

    `place` is where the task stands: (block's id, "block" | "rescue" | "always"), innermost first.
    `rescuable`: a rescue section stands around it, so this failure alone ends nothing.
    """

    task: str
    host: str
    message: str
    place: tuple[tuple[str, str], ...] = ()
    rescuable: bool = False
    step: Step | None = None


@dataclass(slots=True)
class Journal:
    """Steps and failures so far. Pure: times are arguments, nothing is written."""

    started: float
    steps: list[Step] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def begin(self, name: str, now: float) -> bool:
        """Begin a step if `name` is the name of a new one; the step before it ends."""
        match = _STEP.search(name)
        if match is None or (self.steps and self.steps[-1].name == match["whole"]):
            return False
        self.close(now)
        self.steps.append(Step(match["whole"], now))
        return True

    def close(self, now: float) -> None:
        """End the current step."""
        if self.steps:
            self.steps[-1].seconds = now - self.steps[-1].started

    def note(self, outcome: str) -> None:
        if self.steps:
            self.steps[-1].note(outcome)

    def failed(self, failure: Failure) -> None:
        """Record a failure. The step that caused the end is failed, not the one that undid it."""
        self.failures.append(failure)
        cause = self.cause()
        if cause is not None and cause.step is not None:
            cause.step.note("failed")

    def cause(self) -> Failure | None:
        """The failure that ended the run, or None.

        A rescue that undoes things and then fails on purpose is not the cause: the first failure
        in the block that it rescues is.
        """
        final = next((failure for failure in self.failures if not failure.rescuable), None)
        while final is not None:
            before = self._rescued_by(final)
            if before is None:
                break
            final = before
        return final

    def _rescued_by(self, final: Failure) -> Failure | None:
        """What failed first in a block whose rescue section `final` stands in."""
        blocks = [block for block, section in final.place if section == "rescue"]
        for failure in self.failures[: self.failures.index(final)]:
            if failure.host == final.host and any((b, "block") in failure.place for b in blocks):
                return failure
        return None


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended; end.json but for the clocks."""

    verdict: str
    reason: str | None
    seconds: float


def end(
    journal: Journal,
    now: float,
    *,
    failed: bool,
    interrupted: bool = False,
    rolled_back: bool = False,
    waiting: bool = False,
    superseded: bool = False,
    reason: str | None = None,
) -> End:
    """Close the journal and judge the run. `reason` is the playbook's own, if it gave one."""
    if failed and journal.cause() is None:
        journal.note("failed")
    journal.close(now)
    seconds = now - journal.started
    if not failed:
        return End("pass", None, seconds)
    if interrupted:
        return End("failed", "interrupted", seconds)
    cause = journal.cause()
    said = reason or (cause.message if cause else "Ansible stopped with the error above")
    verdicts = {"rolled_back": rolled_back, "waiting": waiting, "superseded": superseded}
    verdict = next((name for name, is_so in verdicts.items() if is_so), "failed")
    return End(verdict, shorten(said), seconds)


def write(run_dir: Path, journal: Journal, ended: dict[str, object] | None = None) -> None:
    """Write steps.jsonl (the steps that ended), failures.jsonl and, at the end, end.json.

    Whole files, each replaced at once, so a crash never leaves half a line. Raises OSError.
    """
    cause = journal.cause()
    steps = [asdict(step) for step in journal.steps if step.seconds is not None]
    failures = [
        {
            "step": failure.step.name if failure.step else None,
            "task": failure.task,
            "host": failure.host,
            "message": failure.message,
            "rescued": failure.rescuable and failure is not cause,
        }
        for failure in journal.failures
    ]
    for name, lines in (("steps.jsonl", steps), ("failures.jsonl", failures)):
        if lines:
            keep(run_dir, name, "".join(json.dumps(line) + "\n" for line in lines))
    if ended is not None:
        keep(run_dir, "end.json", ended)


def last_line(
    journal: Journal,
    ended: End,
    *,
    again: str,
    back: str,
    verb: str,
    page: str | None,
    next_step: str | None = None,
    report_error: str | None = None,
) -> str | None:
    """The last line: result and next step; None if there is nothing to print.

    `again` and `back` are the commands that start this playbook anew and that roll back. `page` is
    report.html, None for a verb that keeps no run; `report_error` is why the report is not whole.
    """
    cause = journal.cause()
    mended = f"mend it, then {again}"
    if ended.verdict == "pass":
        if page is None:
            return None
        line = f"DONE · {verb} in {ended.seconds:.0f} s"
        if report_error is None:
            return f"{line} · report {page}"
        next_step = f"mend it, then releve report write {Path(page).parent}"
    elif ended.verdict == "rolled_back":
        line, next_step = f"ROLLED BACK · {ended.reason}", next_step or mended
    elif ended.verdict == "superseded":
        line, next_step = f"SUPERSEDED · {ended.reason}", next_step or mended
    elif ended.verdict == "waiting":
        line = f"WAITING · {ended.reason}"
        next_step = next_step or f"when it is quieter, {again}; {back} goes back"
    else:
        step = (cause.step if cause else None) or (journal.steps[-1] if journal.steps else None)
        interrupted = ended.reason == "interrupted"
        # The first step is the preflight, which changes nothing.
        moves = verb in ("migrate", "deploy")
        begun = moves and step is not None and not step.title.startswith("(1/")
        task = f"{cause.task}: " if cause and not interrupted else ""
        line = f"FAILED {step.title + ' ' if step else ''}· {task}{ended.reason}"
        if interrupted:
            next_step = f"the same command goes on{f', {back} goes back' if begun else ''}"
        else:
            next_step = next_step or (back if begun else mended)
    if report_error is not None:
        line = f"{line} · THE REPORT IS NOT WHOLE: {report_error}"
    return f"{line}. Next: {next_step}"


def verb_of(run_dir: Path) -> str | None:
    """The verb in a run id (`<time>-<verb>-<4 hex>`), None when it is not one."""
    named = _RUN_ID.match(run_dir.name)
    return named["verb"] if named else None


def message_of(result: dict[str, Any]) -> str:
    """One short line that says what went wrong; never anything a task asked not to log."""
    if "censored" in result:
        return "its output is hidden (no_log)"
    for item in result.get("results") or []:
        if isinstance(item, dict) and (item.get("failed") or item.get("unreachable")):
            return message_of(item)
    said = str(result.get("msg") or result.get("reason") or "it failed and said nothing")
    shown = str(result.get("stderr") or "").strip() if "rc" in result else ""
    return shorten(f"{said}: {shown.splitlines()[-1]}" if shown else said)


def shorten(text: str, limit: int = 240) -> str:
    """The text on one line of at most `limit` characters, without a full stop at its end.

    Where it ends with the file that proves it, that is not cut off.
    """
    line = " ".join(text.split())
    if len(line) <= limit:
        return line.removesuffix(".")
    said, mark, proof = line.rpartition(_PROOF)
    if not mark or len(proof) > limit / 2:
        said, mark, proof = line, "", ""
    return said[: limit - 1 - len(mark + proof)].rstrip() + "…" + mark + proof
