"""Functions that the model may call."""

import enum
import logging
from typing import Annotated

from livekit.agents import llm
from livekit.agents.llm import TypeInfo, ai_callable

logger = logging.getLogger("functions")


class Level(enum.Enum):
    EASY = "easy"
    HARD = "hard"


class Exercises(llm.FunctionContext):
    """What the coach can start."""

    def __init__(self, room: str) -> None:
        super().__init__()
        self.room = room

    @llm.ai_callable(desc="Start an exercise")
    async def start(
        self,
        title: Annotated[str, llm.TypeInfo(desc="the title of the exercise")],
        level: Annotated[Level, TypeInfo("how hard it is")] = Level.EASY,
    ) -> str:
        logger.info("starting %s (%s) in %s", title, level, self.room)
        return f"{title} has begun"

    @ai_callable(name="finish_exercise", desc="End the exercise", auto_retry=False)
    def finish(self):
        logger.info("finished")

    @ai_callable(desc="How it went")
    def score(self) -> int:
        return 3

    def report(self) -> str:
        return f"score {self.score()}"


def available(functions: Exercises) -> list[str]:
    return list(functions.ai_functions)
