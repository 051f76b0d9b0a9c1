"""Figures as text. None is an en dash: not measured."""

from __future__ import annotations

from releve.report.schema import Calls, Compared, Direction, Drift, Harm, Load, Probe

NOTHING = "–"


def ms(value: float | None) -> str:
    """A duration in milliseconds: `0.4 ms`, `154 ms`, `12.3 s`."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 10_000 else seconds(value / 1000)


def seconds(value: float | None) -> str:
    """A duration in seconds: `3.4 s`, `83 s`, `12 min 5 s`, `1 h 4 min`."""
    if value is None:
        return NOTHING
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def silence(value: float | None) -> str:
    """The longest silence. The sentinels record only those over 300 ms."""
    if value is None:
        return "silence not measured"
    return f"longest silence {ms(value)}" if value else "no silence over 300 ms"


def heard(calls: Calls) -> str:
    """What the held calls heard, by what their agent does."""
    if calls.agent_kind == "talks":
        gap = calls.longest_without_packets_ms
        return f"replies p50 {ms(calls.reply_p50_ms)}, p95 {ms(calls.reply_p95_ms)} · " + (
            f"longest time without packets {ms(gap)}" if gap else "no gap in packets over 600 ms"
        )
    return silence(None if calls.agent_kind == "listens" else calls.longest_silence_ms)


def harm(found: Harm | None) -> str:
    """What callers would have noticed."""
    if found is None:
        return NOTHING
    before, during = ms(found.bystander_p95_before_ms), ms(found.during_ms)
    return f"{answer(found)} {before} before, {during} during · {new_silence(found)}"


def answer(found: Harm) -> str:
    """What is timed: an echo's round trip, or the reply of an agent that talks."""
    return "reply p95" if found.kind == "talks" else "RTT p95"


def new_silence(found: Harm) -> str:
    """What was not there before the run; the sentinels write down from 300 ms on, or 600."""
    new, talks = found.longest_new_silence_ms, found.kind == "talks"
    if not new:
        return f"no new {'gap in packets over 600' if talks else 'silence over 300'} ms"
    return f"a new {'gap in packets' if talks else 'silence'} of {ms(new)}"


def size(value: int | None) -> str:
    """A number of bytes in decimal units: `812 B`, `325 MB`, `1.2 GB`."""
    if value is None:
        return NOTHING
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    digits = 1 if amount < 10 and units[0] != "B" else 0
    return f"{amount:.{digits}f} {units[0]}"


def times(count: int, one: str) -> str:
    """A count with its noun: `1 flip`, `2 flips`."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def server(wanted: str, running: str | None, substitute: bool, ours: bool = True) -> str:
    """The server's version, and whether it is a substitute or not the stack's own."""
    if not ours:
        return f"{running or 'unknown'}, not of this stack: neither pinned nor in the backup"
    if substitute:
        return f"substitute: wanted {wanted}, running {running or 'unknown'}"
    if running is None or running == wanted:
        return wanted if running else f"wanted {wanted}, running unknown"
    return f"wanted {wanted}, running {running}"


def packages(versions: dict[str, str] | None) -> str:
    """Packages on one line, LiveKit's own first."""
    if not versions:
        return NOTHING
    ordered = sorted(versions.items(), key=lambda item: (not item[0].startswith("livekit"), item))
    return " · ".join(f"{name} {version}" for name, version in ordered)


def details(probe: Probe) -> list[str]:
    """What a probe measured besides round trips: times, drift, SNR, its own cost."""
    said = []
    if probe.rtt_p95_interval_ms is not None:
        low, high = probe.rtt_p95_interval_ms
        said.append(f"p95 95 % sure within {low:.0f} and {high:.0f} ms")
    if probe.snr_db is not None:
        said.append(f"SNR {probe.snr_db:.0f} dB")
    if probe.webrtc is not None:
        said += _direction("heard", probe.webrtc.heard) + _direction("said", probe.webrtc.said)
    for what, times in (probe.seconds or {}).items():
        said.append(f"{what} p50 {times.p50:.2f} s, p95 {times.p95:.2f} s, max {times.max:.2f} s")
    if (drift := probe.drift_ms_per_min) is not None:
        said.append(f"drift {_moves(drift, 'ms/min')}")
    if (memory := probe.memory) is not None:
        said.append(f"memory {size(memory.first_bytes)} to {size(memory.last_bytes)}")
        if memory.mb_per_min is not None:
            said[-1] += f", {_moves(memory.mb_per_min, 'MB/min')}"
    if probe.compared is not None:
        said.append(slower(probe.compared, other(probe.colour)))
    if probe.load is not None:
        said += _load(probe.load)
    said += [f"{how}: {found}" for how, found in (probe.network or {}).items()]
    if probe.cost is not None and probe.cost.cores_per_call is not None:
        said.append(f"the probe took {probe.cost.cores_per_call:.0%} of a core per call")
    return said


def other(colour: str | None) -> str:
    """The colour that a probe was compared with."""
    return "green" if colour == "blue" else "blue"


def slower(compared: Compared, than: str) -> str:
    """The difference from the other colour: `+12 ms against blue (+4 to +19 ms)`."""
    if compared.slower_ms is None or compared.low_ms is None or compared.high_ms is None:
        return f"not enough data to compare with {than}"
    interval = f"({compared.low_ms:+.0f} to {compared.high_ms:+.0f} ms)"
    return f"{compared.slower_ms:+.0f} ms against {than} {interval}"


def figure(value: float | None, unit: str = "") -> str:
    """A gate's figure: `0.95`, `153.4 ms`."""
    if value is None:
        return NOTHING
    return f"{value:.4g}{unit}" if abs(value) < 10_000 else f"{value:.0f}{unit}"


def _moves(drift: Drift, unit: str) -> str:
    chance = f"by chance {drift.p:.0%}" if drift.p >= 0.01 else "by chance < 1%"
    return f"{drift.slope:.2f} {unit} ({drift.low:.2f} to {drift.high:.2f}, {chance})"


def _direction(name: str, side: Direction | None) -> list[str]:
    if side is None:
        return []
    said = [f"{name}: jitter {side.jitter_ms:.1f} ms, {side.lost} of {side.packets} packets lost"]
    if side.concealed_fraction is not None:
        said[0] += f", {side.concealed_fraction:.1%} concealed in {side.concealments} pieces"
    return said


def _load(load: Load) -> list[str]:
    said = [f"{times(load.held, 'call')} held at once"]
    if load.broke is not None:
        said.append(load.broke)
    if load.host_cores_per_call is not None:
        said.append(f"the host spent {load.host_cores_per_call:.2f} cores on each")
    if load.host_memory_bytes_per_call is not None:
        said[-1] += f" and {load.host_memory_bytes_per_call / 1e6:.0f} MB"
    return said


VERDICTS = {
    "pass": "PASS",
    "rolled_back": "ROLLED BACK",
    "waiting": "WAITING",
    "failed": "FAILED",
    None: "NOT FINISHED",
}
