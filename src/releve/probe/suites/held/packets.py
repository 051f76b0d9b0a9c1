"""The longest time without packets, from looks at WebRTC's statistics. Pure.

A look tells how many packets there were and when the last of them came, not when the first new one
did. So of a time without packets that part is sure which had passed at the last look that saw none:
it is told at most one look too short, and never too long.
"""

from __future__ import annotations

from releve.probe.media.webrtc import Flow

LEAST_SECONDS = 0.6  # a silent agent sends a packet every 0.4 s (Opus DTX)


class PacketWatch:
    """Outlives calls: from the old call's last packet to the new one's first counts, too."""

    def __init__(self, least: float = LEAST_SECONDS) -> None:
        self._least = least
        self._last: float | None = None  # packet, of whichever call
        self._packets = 0
        self._looked = 0.0

    def begin_call(self) -> None:
        """Counters begin anew with a track."""
        self._packets = 0

    @property
    def last(self) -> float | None:
        """When the latest packet came, of whichever call; None before the first."""
        return self._last

    def feed(self, flow: Flow | None) -> list[float]:
        """One look: the times without packets that have ended, in milliseconds."""
        if flow is None:
            return []
        if flow.last is None or flow.packets == self._packets:
            self._looked = flow.at
            return []
        only, before = flow.packets - self._packets == 1, self._last
        sure = flow.last if only else self._looked
        self._packets, self._last, self._looked = flow.packets, flow.last, flow.at
        return [] if before is None else self._told(sure - before)

    def end(self, now: float) -> list[float]:
        """The time without packets that goes on."""
        return [] if self._last is None else self._told(now - self._last)

    def _told(self, seconds: float) -> list[float]:
        return [round(seconds * 1000, 1)] if seconds >= self._least else []
