"""One exercise of a call: what was said in it, and the figures for the feedback."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Exercise:
    """`running` from start to finish; turns are (words, seconds) of what the caller said."""

    running: bool = False
    turns: list[tuple[int, float]] = field(default_factory=list)
    heard_seconds: float = 0.0

    def start(self) -> None:
        self.running = True
        self.turns.clear()

    def speech(self, seconds: float) -> None:
        """The caller spoke for so long; what was said follows in `turn`."""
        self.heard_seconds += seconds

    def turn(self, text: str) -> None:
        """The caller has said this."""
        if self.running:
            self.turns.append((len(text.split()), self.heard_seconds))
        self.heard_seconds = 0.0

    def finish(self) -> dict[str, float]:
        """The figures: turns, words, seconds, words_per_minute.

        The last turn is left out: with it the caller said that they are finished.
        """
        self.running = False
        told = self.turns[:-1]
        words = sum(count for count, _ in told)
        seconds = sum(spent for _, spent in told)
        pace = round(60 * words / seconds) if seconds else 0
        return {
            "turns": len(told),
            "words": words,
            "seconds": round(seconds, 1),
            "words_per_minute": pace,
        }
