"""How much one peer may ask of the gateway."""

from __future__ import annotations

import resource
import time
from collections import OrderedDict
from collections.abc import Callable

PEERS_REMEMBERED = 10_000
REFUSALS_PER_SECOND, REFUSALS_AT_ONCE = 2.0, 20.0
FRAMES_PER_SECOND, FRAMES_AT_ONCE = 1000.0, 2000.0
"""One worker's frames: five times what it would send if it alone answered 200 offers a second."""


def raise_open_files() -> None:
    """Let this process have as many open files as it may: a worker is one, and engines start
    containers with a limit of 1024 that anybody may raise."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class TokenBucket:
    """Lets `burst` through at once and `rate` a second for good."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def take(self) -> bool:
        """Use one; False when there is none left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def empty(self) -> bool:
        """Whether `take` would say False."""
        return self._left + (self._clock() - self._at) * self._rate < 1


class RefusalLimits:
    """Peers that were refused too often lately; those that knock longest ago are forgotten."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._peers: OrderedDict[str, TokenBucket] = OrderedDict()

    def too_many(self, peer: str) -> bool:
        """Whether to turn the peer away unheard."""
        bucket = self._peers.get(peer)
        return bucket is not None and bucket.empty

    def note(self, peer: str) -> None:
        """The peer was refused."""
        bucket = self._peers.pop(peer, None) or TokenBucket(self._rate, self._burst)
        bucket.take()
        self._peers[peer] = bucket
        if len(self._peers) > PEERS_REMEMBERED:
            self._peers.popitem(last=False)


class Admission:
    """What both colours' doors share: how many are inside, and who knocks too often in vain."""

    def __init__(self, max_workers: int) -> None:
        self.inside = 0
        self.refusals = RefusalLimits(REFUSALS_PER_SECOND, REFUSALS_AT_ONCE)
        self._max_workers = max_workers

    @property
    def full(self) -> bool:
        """Whether as many connections are open, registered or not, as there may be workers."""
        return self.inside >= self._max_workers
