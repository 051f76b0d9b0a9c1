"""What is wanted, kept in force at the gateway, and its lease renewed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from releve.rollout import policy
from releve.rollout.plan import Plan
from releve.rollout.policy import Wanted
from releve.rollout.sources.gateway import Away, Gateway, InForce, Refused
from releve.rollout.state import State

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
"""Between two questions to the gateway for its decision."""


class Lease:
    """Compares what the gateway has in force with what is wanted, and puts that there.

    heard: the gateway's last word, None where it is away. trouble: why it does not do what is
    wanted. refused: what it refused because nobody serves a colour; wrong: what it said makes no
    sense, and its sentence. unserved_since: when the new colour lost its last worker.
    took_ms: how long the gateway took for the last move of weights.
    """

    def __init__(
        self, plan: Plan, gateway: Gateway, state: Callable[[], State], decide: Callable[[], None]
    ) -> None:
        """`decide` is called after each word of the gateway, and may change the `state`."""
        self.heard: InForce | None = None
        self.trouble: str | None = "the gateway was not asked yet"
        self.refused: Wanted | None = None
        self.wrong: tuple[Wanted | None, str] | None = None
        self.unserved_since: float | None = None
        self.took_ms: float | None = None
        self._plan = plan
        self._gateway = gateway
        self._state = state
        self._decide = decide
        self._renewed = 0.0
        self._turn = asyncio.Event()

    def turn(self) -> None:
        """Something else is wanted: see to it now."""
        self._turn.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            want = self._want()
            put = want is not None and self.heard is not None and self._due(want)
            try:
                if put and want is not None:
                    await self._put(want)
                else:
                    self._hear(await self._gateway.get())
                self.trouble = self.refused = self.wrong = None
            except Away as error:
                self.trouble, self.heard, self.unserved_since = str(error), None, None
            except Refused as error:
                self.trouble = str(error)
                await self._after_refusal(want, error)
            self._decide()
            want = self._want()
            rests = want is None or (self.heard is not None and not self._due(want))
            if put or rests or self.trouble is not None:
                await self._rest()
            self._turn.clear()

    def _want(self) -> Wanted | None:
        return policy.wanted(self._plan, self._state())

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self._turn.wait()
        except TimeoutError:
            pass

    def _due(self, want: Wanted) -> bool:
        decision = None if self.heard is None else self.heard.decision
        if not policy.in_force(self._plan, self._state(), decision):
            return True
        return want.leased and time.monotonic() > self._renewed + self._plan.lease_seconds / 3

    async def _put(self, want: Wanted) -> None:
        state = self._state()
        assert self.heard is not None
        assert state.epoch is not None
        moves = want.weights != self.heard.decision.weights
        if moves:
            self._open_rooms(f"{self._plan.id}-{state.step}{'-back' if want.back else ''}")
        why = f"step {state.step} of {len(self._plan.schedule)}"
        if want.back:
            why = f"goes back: {state.reason}"
        asked = time.monotonic()
        self._hear(await self._gateway.put(state.epoch, want, why, self.heard.fallback))
        self._renewed = asked
        if moves:
            self.took_ms = round((time.monotonic() - asked) * 1000, 3)

    async def _after_refusal(self, want: Wanted | None, error: Refused) -> None:
        """Find out what is in force instead, and hold that while it is ours."""
        state = self._state()
        self.refused = want if error.reason == "unserved" else None
        self.wrong = (want, str(error)) if error.reason is None else None
        try:
            if self.refused is not None and self.refused.leased and state.step > 1:
                assert state.epoch is not None
                self._hear(await self._gateway.renew(state.epoch))
            else:
                self._hear(await self._gateway.get())
        except (Away, Refused) as again:
            self.trouble, self.heard = str(again), None

    def _hear(self, heard: InForce) -> None:
        self.heard = heard
        if self._plan.to in heard.serving:
            self.unserved_since = None
        elif self.unserved_since is None:
            self.unserved_since = time.monotonic()

    def _open_rooms(self, moment: str) -> None:
        """New rooms of ours open around what is about to be moved; `moment` is its id."""
        if self._plan.moments is not None:
            try:
                # Replaced, not written: it may be another user's file in a folder of ours.
                fresh = self._plan.moments.with_suffix(".new")
                fresh.write_text(moment, encoding="ascii")
                fresh.replace(self._plan.moments)
            except OSError as error:
                log.warning("no rooms open around this", extra={"why": str(error)})
