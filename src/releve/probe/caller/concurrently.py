"""Several at once, none of which is left behind when another fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(each: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """What they return, when all have come to their end; raises the first's error.

    A task group would stop the others at the first error, and raise a group of errors.
    """
    results: list[Result] = []
    for outcome in await asyncio.gather(*each, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results
