"""Several coroutines at once; none is left running when another fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def run_all(each: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Their results, when all have ended. Raises the first error.

    A task group would stop the others at the first error, and raise a group of errors.
    """
    results: list[Result] = []
    for outcome in await asyncio.gather(*each, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results
