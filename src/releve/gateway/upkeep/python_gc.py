"""Python's garbage collector, kept from stopping every offer at once.

A collection looks at thousands of objects, a full one at those of every connected worker, and
nothing else runs meanwhile. Garbage is freed at once by its reference count; what is left are the
cycles of connections that have ended, and those are collected when many have.
"""

from __future__ import annotations

import asyncio
import gc

LOOK_SECONDS = 60.0
WORKERS_LEFT = 200
"""So many ended connections are worth a pause; about 20 kB each."""
OBJECTS_MADE = 500_000
"""So many more objects than a collection ago, whoever holds them, are worth one too: some 70 MB."""


class GarbageCollection:
    """Collects when enough workers have left."""

    def __init__(self) -> None:
        self.left = 0

    def note(self, *_: object) -> None:
        """A worker has left."""
        self.left += 1

    async def run(self) -> None:
        """Until cancelled; then the collector is as it was."""
        gc.collect()
        gc.freeze()  # what the imports made stays for good
        gc.disable()
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if self.left >= WORKERS_LEFT or gc.get_count()[0] >= OBJECTS_MADE:
                    self.left = 0
                    gc.collect()
        finally:
            gc.enable()
            gc.unfreeze()
