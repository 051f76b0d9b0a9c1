"""Figures as people read them. None is always an en dash: it was not measured."""

from __future__ import annotations

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
    """The longest silence; the sentinels write down those over 300 ms only."""
    if value is None:
        return "silence not measured"
    return f"longest silence {ms(value)}" if value else "no silence over 300 ms"


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


def server(wanted: str, running: str | None, substitute: bool) -> str:
    """The server's version; a substitute is always said."""
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


VERDICTS = {
    "pass": "PASS",
    "rolled_back": "ROLLED BACK",
    "failed": "FAILED",
    None: "NOT FINISHED",
}
