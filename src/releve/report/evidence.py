"""Reads a run's evidence: every file is optional and validated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from releve.report.schema import (
    Amount,
    Backup,
    Flip,
    Outcome,
    Part,
    Probe,
    Verdict,
    Versions,
)

T = TypeVar("T")
_COUNTED = ("silence", "rtt")
_OF_A_CALL = ("open", "agent", "agent_left", "two_agents", "no_agent", "dropped", "closed")


class RunFile(Part):
    """run.json: both clocks are read at the same moment, so that one maps onto the other.

    Without the control node's, steps and calls cannot be drawn on one axis.
    """

    id: str
    verb: str
    started: str
    monotonic: float
    control_monotonic: float | None = None


class EndFile(Part):
    """end.json: `monotonic` is the target's clock, `control_monotonic` the control node's."""

    verdict: Verdict
    reason: str | None = None
    seconds: Amount
    monotonic: float | None = None
    control_monotonic: float | None = None


class StepLine(Part):
    """A line of steps.jsonl; `started` is on the control node's monotonic clock, seconds."""

    name: str
    started: float
    seconds: Amount
    outcome: Outcome


class FailureLine(Part):
    """A line of failures.jsonl: a task that failed; `rescued` if a rescue section handled it."""

    step: str | None = None
    task: str
    host: str
    message: str
    rescued: bool = False


class FlipFile(Flip):
    """flip.json; `at` is when on the target's monotonic clock, if it was written down."""

    at: float | None = None


class Event(BaseModel):
    """A line of sentinels.jsonl, on the target's monotonic clock (seconds)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    t: float
    event: str
    call: str | None = None
    kind: Literal["held", "arrival"] | None = None
    ms: float | list[float] | None = None

    def model_post_init(self, context: Any) -> None:
        """Raises ValueError when the event lacks what its kind must say."""
        if self.event in (*_OF_A_CALL, *_COUNTED) and self.call is None:
            raise ValueError(f"a {self.event!r} event names no call")
        if self.event == "open" and self.kind is None:
            raise ValueError("an 'open' event is neither held nor arrival")
        if self.event == "silence" and not isinstance(self.ms, float):
            raise ValueError("a 'silence' event has no ms")
        if self.event == "rtt" and not isinstance(self.ms, list):
            raise ValueError("an 'rtt' event has no list of ms")


class Job(Part):
    """A member of the gateway's GET /jobs; times on the target's monotonic clock (seconds)."""

    id: Annotated[str, Field(validation_alias=AliasChoices("job", "id"))]
    room: str
    colour: Literal["blue", "green"] | None
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found. `problems` holds one sentence for each file that could not be used.

    events: of the sentinels, soaked: of calls that a soak held, logs: their lines by file name.
    """

    run_id: str
    run: RunFile | None = None
    end: EndFile | None = None
    steps: list[StepLine] | None = None
    failures: list[FailureLine] = field(default_factory=list)
    versions: Versions | None = None
    probes: list[Probe] | None = None
    events: list[Event] | None = None
    soaked: list[Event] = field(default_factory=list)
    flip: FlipFile | None = None
    backup: Backup | None = None
    jobs: list[Job] | None = None
    logs: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(run_dir: Path) -> Evidence:
    """Read `run_dir`/evidence. Never raises on a bad file: it becomes a sentence in `problems`."""
    home = run_dir / "evidence"
    problems: list[str] = []

    def use(path: Path, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            problems.append(f"evidence/{path.name} cannot be used: {_why(error)}")
            return None

    def one(name: str, model: type[T]) -> T | None:
        return use(home / name, TypeAdapter(model).validate_json)

    def lines(name: str, model: type[T]) -> list[T] | None:
        return use(home / name, lambda text: _lines(text, TypeAdapter(model)))

    probes = [
        probe.model_copy(update={"evidence": f"evidence/{path.name}"})
        for path in sorted(home.glob("probe-*.json"), key=lambda path: path.stem)
        if (probe := one(path.name, Probe)) is not None
    ]
    soaks = [lines(path.name, Event) for path in sorted(home.glob("soak-*.jsonl"))]
    logs = {path.name: use(path, str.splitlines) for path in sorted(home.glob("*.log"))}
    return Evidence(
        run_id=run_dir.name,
        run=one("run.json", RunFile),
        end=one("end.json", EndFile),
        steps=lines("steps.jsonl", StepLine),
        failures=lines("failures.jsonl", FailureLine) or [],
        versions=one("versions.json", Versions),
        probes=probes or None,
        events=lines("sentinels.jsonl", Event),
        soaked=[event for soak in soaks for event in soak or ()],
        flip=one("flip.json", FlipFile),
        backup=one("backup.json", Backup),
        jobs=one("jobs.json", list[Job]),
        logs={name: lines for name, lines in logs.items() if lines},
        problems=problems,
    )


def _lines(text: str, model: TypeAdapter[T]) -> list[T]:
    """Parse JSON lines; a last line without its newline was still being written: left out.

    Raises ValueError naming the line that is wrong.
    """
    whole = text[: text.rfind("\n") + 1]
    found = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            found.append(model.validate_json(line))
        except ValidationError as error:
            raise ValueError(f"line {number}: {_why(error)}") from error
    return found


def _why(error: Exception) -> str:
    """The first validation error, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
