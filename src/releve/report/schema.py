"""report.json, schema 1: what one run did, as figures. Absent parts are null, never invented."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Colour = Literal["blue", "green"]
Verdict = Literal["pass", "rolled_back", "failed"]
Outcome = Literal["ok", "changed", "failed", "skipped"]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Packages = dict[str, str]


class Part(BaseModel):
    """A part of the report: read-only; keys it does not know are left out."""

    model_config = ConfigDict(frozen=True)


class Run(Part):
    """Which run this is. `verdict` is null when the run never came to its end."""

    id: str
    verb: str | None
    started: str | None
    seconds: Amount | None
    verdict: Verdict | None
    reason: str | None


class ServerVersion(Part):
    """`substitute` is true when `running` was accepted in place of `wanted`."""

    wanted: str
    running: str | None
    substitute: bool


class Versions(Part):
    """Package versions by colour; a colour that was never seen is null."""

    server: ServerVersion | None = None
    blue: Packages | None = None
    green: Packages | None = None


class Calls(Part):
    """What the sentinels lived through; exactly `releve.probe.record.summarise`."""

    sentinels: Count
    dropped: Count
    longest_silence_ms: Amount | None
    opened_during_run: Count
    without_agent: Count
    with_two_agents: Count


class Flip(Part):
    """The slowest flip of the run and how many there were."""

    ms: Amount
    count: Count


class Rollback(Part):
    """How long the way back took."""

    seconds: Amount


class RoundTrip(Part):
    """Percentiles of the echo round trip in milliseconds."""

    p50: Amount
    p95: Amount
    p99: Amount


class ProbeCall(BaseModel):
    """One call of a probe; further measurements stay as the probe wrote them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rtts_ms: list[Amount] = []


class Probe(Part):
    """One probe of one colour.

    `gate` maps the name of a limit to the limit; `reason` says which one did not hold, with the
    figure. `calls` is the detail the figures were made from.
    """

    name: str
    colour: Colour
    sent: Count
    valid: Count
    rtt_ms: RoundTrip | None
    floor_rtt_ms: Amount | None
    longest_silence_ms: Amount | None
    gate: dict[str, float] | None
    passed: bool
    reason: str | None = None
    calls: list[ProbeCall] = []


class Backup(Part):
    """The snapshot taken before anything changed."""

    snapshot: str
    bytes: Count
    added_bytes: Count | None
    seconds: Amount
    verified: bool


class Step(Part):
    """One numbered step of the playbook."""

    name: str
    seconds: Amount
    outcome: Outcome


class Report(Part):
    """The whole of report.json."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    run: Run
    versions: Versions | None = None
    calls: Calls | None = None
    flip: Flip | None = None
    rollback: Rollback | None = None
    probes: list[Probe] | None = None
    backup: Backup | None = None
    steps: list[Step] | None = None

    def to_json(self) -> str:
        """Returns report.json as text, one indented document ending in a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
