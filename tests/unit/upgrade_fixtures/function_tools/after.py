"""Functions that the model may call."""

import enum
import logging
from typing import Annotated
from livekit.agents import function_tool
from pydantic import Field

logger = logging.getLogger("functions")


class Level(enum.Enum):
    EASY = "easy"
    HARD = "hard"


class Exercises:
    """What the coach can start."""

    def __init__(self, room: str) -> None:
        super().__init__()
        self.room = room

    @function_tool(description="Start an exercise")
    async def start(
        self,
        title: Annotated[str, Field(description="the title of the exercise")],
        level: Annotated[Level, Field(description="how hard it is")] = Level.EASY,
    ) -> str:
        logger.info("starting %s (%s) in %s", title, level, self.room)
        return f"{title} has begun"

    @function_tool(name="finish_exercise", description="End the exercise")
    async def finish(self):
        logger.info("finished")

    @function_tool(description="How it went")
    def score(self) -> int:
        return 3

    def report(self) -> str:
        return f"score {self.score()}"


def available(functions: Exercises) -> list[str]:
    return list(functions.ai_functions)
