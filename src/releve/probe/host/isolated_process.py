"""A measurement in a process of its own, repeated if the SDK crashes there.

livekit 1.0.10 now and then dies of SIGSEGV while it reconnects: twice in some hundred runs of the
network suite, on machines that were busy, with every frame of the stack inside liblivekit_ffi.
That says nothing about who is measured, so it must not decide; and it is told, not hidden.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

TRIES = 2

Found = TypeVar("Found")


class CrashError(RuntimeError):
    """The process ended in every try before it had measured."""


async def run(
    measure: Callable[..., Coroutine[Any, Any, Found]], *arguments: Any
) -> tuple[Found, int]:
    """What `measure(*arguments)` returned or raised there, and how many tries crashed before it.

    All of it goes through pickle. Raises CrashError after TRIES crashes.
    """
    spawn = multiprocessing.get_context("spawn")  # a forked SDK would lack its threads
    for crashed in range(TRIES):
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            begun = process.submit(_begin, measure, *arguments)
            try:
                return await asyncio.wrap_future(begun), crashed
            except BrokenProcessPool:
                continue
    raise CrashError(f"the measurement crashed {TRIES} times before its end; try it once more")


def _begin(measure: Callable[..., Coroutine[Any, Any, Found]], *arguments: Any) -> Found:
    return asyncio.run(measure(*arguments))
