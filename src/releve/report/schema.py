"""report.json, schema 1: what one run did, as figures. Absent parts are null, never invented."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Colour = Literal["blue", "green"]
Verdict = Literal["pass", "rolled_back", "failed", "waiting", "superseded"]
Outcome = Literal["ok", "changed", "failed", "skipped"]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Packages = dict[str, str]


class Part(BaseModel):
    """A part of the report: read-only; keys it does not know are left out."""

    model_config = ConfigDict(frozen=True)


class Run(Part):
    """Identity and end of the run. `verdict` is null if the run has no recorded end."""

    id: str
    verb: str | None
    started: str | None
    seconds: Amount | None
    verdict: Verdict | None
    reason: str | None


class ServerVersion(Part):
    """`substitute` is true when `running` was accepted in place of `wanted`.

    A server that is not `ours`, of the migrated stack, is neither pinned nor in the backup.
    """

    wanted: str
    running: str | None
    substitute: bool
    ours: bool = True


class Versions(Part):
    """Package versions by colour; a colour that was never seen is null."""

    server: ServerVersion | None = None
    blue: Packages | None = None
    green: Packages | None = None


class Harm(Part):
    """What callers would have noticed, measured on the held calls.

    Round trips at the 95th percentile before the run and in it; the longest silence of the run, 0
    where one as long was there before. Null: too few chirps were heard. Where `kind` is talks: the
    times to replies, and times without packets.
    """

    bystander_p95_before_ms: Amount | None
    during_ms: Amount | None
    longest_new_silence_ms: Amount | None
    kind: str = "echo"


class Calls(Part):
    """The sentinels' record (`releve.probe.judgement.record`) in figures, with its confidence.

    `held_why`: why so many calls were held. `failure_rate_at_most`: of new rooms, at 95 %
    confidence, where all those opened got their agent: 1 - 0.05 ** (1 / rooms).
    """

    sentinels: Count
    dropped: Count
    longest_silence_ms: Amount | None
    opened_during_run: Count
    without_agent: Count
    with_two_agents: Count
    agent_kind: str = "echo"
    reply_p50_ms: Amount | None = None
    reply_p95_ms: Amount | None = None
    answered_fraction: Amount | None = None
    greeted_again: Count = 0
    longest_without_packets_ms: Amount | None = None
    connection_losses: Count = 0
    held_why: str | None = None
    failure_rate_at_most: Amount | None = None


class Flip(Part):
    """The slowest flip of the run and how many there were."""

    ms: Amount
    count: Count


class Rollback(Part):
    """Duration of the rollback."""

    seconds: Amount


class RoundTrip(Part):
    """Percentiles of the echo round trip in milliseconds."""

    p50: Amount
    p95: Amount
    p99: Amount


class Spread(Part):
    """Median, 95th percentile and maximum of durations in seconds."""

    p50: Amount
    p95: Amount
    max: Amount


class Drift(Part):
    """A slope per minute, its 95 % interval, and its p-value."""

    slope: float
    low: float
    high: float
    p: float


class Memory(Part):
    """The agent's memory while calls were held, and how it grew, in megabytes a minute."""

    first_bytes: Count
    last_bytes: Count
    mb_per_min: Drift | None


class Cost(Part):
    """CPU used by the probe itself: seconds in all, cores per call."""

    cpu_s: Amount
    cores_per_call: Amount | None


class Direction(Part):
    """WebRTC statistics of one direction of the calls' audio: the worst jitter, packets, and the
    fraction of samples that were concealed, in so many concealments.
    """

    jitter_ms: Amount
    packets: Count
    lost: int
    concealed_fraction: Amount | None
    concealments: Count | None


class Webrtc(Part):
    """Statistics of received and sent audio; null if not reported."""

    heard: Direction | None
    said: Direction | None


class Load(Part):
    """Calls held at once, the gate that failed beyond them (null: none did), and the host's cost
    per call without the probe itself.
    """

    held: Count
    broke: str | None
    host_cores_per_call: float | None
    host_memory_bytes_per_call: int | None


class Gate(Part):
    """One gate: what it asks for and why, the figure (null: not enough data), whether it held."""

    key: str
    metric: str
    comparison: str
    limit: float
    unit: str
    reason: str
    value: float | None
    held: bool


class ProbeCall(BaseModel):
    """One call of a probe; further measurements stay as the probe wrote them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rtts_ms: list[Amount] = []


class Compared(Part):
    """Blue, heard in the same seconds, and by how much this colour is slower: at least, at most."""

    answer: Literal["pass", "fail", "inconclusive"]
    slower_ms: float | None
    low_ms: float | None
    high_ms: float | None
    rtt_ms: RoundTrip | None
    failures: list[str]
    calls: list[ProbeCall]


class Probe(Part):
    """One probe of one colour.

    `gate` maps the name of a limit to the limit; `reason` says which one did not hold, with the
    figure. `calls` is the detail the figures were made from. What only some suites measure is
    null in the others: `seconds` is connect's (join, agent, agent audio) or conversation's
    (greeting, reply), `drift_ms_per_min` and `memory` soak's, `load` load's, `compared` compare's,
    `snr_db` and `webrtc` echo's, `network` network's: what became of each way in which a network is
    bad, in words. `evidence` is the file it comes from, in the run's folder.
    """

    name: str
    colour: Colour
    sent: Count
    valid: Count
    rtt_ms: RoundTrip | None
    rtt_p95_interval_ms: tuple[Amount, Amount] | None = None
    snr_db: float | None = None
    webrtc: Webrtc | None = None
    seconds: dict[str, Spread] | None = None
    drift_ms_per_min: Drift | None = None
    memory: Memory | None = None
    compared: Compared | None = None
    load: Load | None = None
    network: dict[str, str] | None = None
    cost: Cost | None = None
    floor_rtt_ms: Amount | None
    longest_silence_ms: Amount | None
    gate: dict[str, float] | None
    gates: list[Gate] = []
    answer: Literal["pass", "fail", "inconclusive"] | None = None
    passed: bool
    reason: str | None = None
    evidence: str | None = None
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
    harm: Harm | None = None
    calls: Calls | None = None
    flip: Flip | None = None
    rollback: Rollback | None = None
    probes: list[Probe] | None = None
    backup: Backup | None = None
    steps: list[Step] | None = None

    def to_json(self) -> str:
        """Returns report.json as text, one indented document ending in a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
