"""The turn detector: one model of 0.10 to 0.12, one for each kind of language in v1."""

from __future__ import annotations

from collections.abc import Iterator

from releve.upgrade.context import Context
from releve.upgrade.model import Finding, Rule
from releve.upgrade.syntax.edit import replace

TURNS = Rule(
    "turn-detector",
    "plugins",
    "turn_detector.EOUModel()",
    "livekit.plugins.turn_detector.english.EnglishModel()",
    True,
    "the model has English alone, as before; for other languages there is multilingual.MultilingualModel(). Flagged "
    "where it is given arguments",
)
RULES = (TURNS,)


def find(context: Context) -> Iterator[Finding]:
    for call in context.code.calls("plugins.turn_detector.EOUModel"):
        if call.args:
            yield Finding(
                TURNS, call, "EnglishModel(unlikely_threshold=…), of turn_detector.english"
            )
            continue
        use = context.imports.use("EnglishModel", "livekit.plugins.turn_detector.english")
        yield Finding(TURNS, call, f"{use}()", ((call, replace(f"{use}()")),))
