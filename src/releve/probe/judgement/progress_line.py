"""The state of held calls in one line, for the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class ProgressLine:
    """Counts the events of a record as they are written."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._counts = {"dropped": 0, "arrival": 0, "no_agent": 0, "two_agents": 0}
        self._silence_ms = 0.0
        self._rtts_ms: list[float] = []
        self._replies_ms: list[float] = []

    def add(self, event: str, fields: Mapping[str, Any]) -> None:
        call = fields.get("call", "")
        if event == "open" and fields["kind"] == "held":
            self._held.add(call)
        elif event == "open":
            self._counts["arrival"] += 1
        elif event in self._counts:
            self._counts[event] += 1
        elif event == "silence":
            self._silence_ms = max(self._silence_ms, fields["ms"])
        elif event == "rtt":
            self._rtts_ms += fields["ms"]
        elif event == "reply":
            self._replies_ms.append(fields["ms"])
        if event in ("dropped", "closed"):
            self._held.discard(call)

    def line(self, seconds: float, of: float | None) -> str:
        """After `seconds` of `of` seconds, if known. Round trips are those since the last line."""
        counts, rtts, replies = self._counts, self._rtts_ms, self._replies_ms
        self._rtts_ms, self._replies_ms = [], []
        heard = f"RTT {np.median(rtts):.0f} ms" if rtts else "nothing heard just now"
        if replies:
            heard = f"replies after {np.median(replies):.0f} ms"
        said = [
            f"{seconds:.0f} s" if of is None else f"{seconds:.0f} of {of:.0f} s",
            f"{len(self._held)} calls held, {counts['dropped']} dropped",
            heard,
        ]
        if self._silence_ms:
            said.append(f"longest silence {self._silence_ms:.0f} ms")
        if counts["arrival"]:
            alone, two = counts["no_agent"], counts["two_agents"]
            said.append(f"{counts['arrival']} rooms opened, {alone} without agent, {two} with two")
        return "; ".join(said)
