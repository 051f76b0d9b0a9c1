"""The controller's loop: observe, decide, write down, act. It may be killed at any moment.

What is wanted is in the journal before the gateway hears of it; what the gateway has in force is
asked from it, never remembered. So a controller that starts anew goes on where the last one was,
and where none starts the lease ends and the gateway gives every new room to the old colour.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from releve import __version__
from releve.rollout import journal, operator, policy
from releve.rollout.journal import Entry, Journal
from releve.rollout.lease import Lease
from releve.rollout.notify import Notifier, sentence
from releve.rollout.operator import Operator
from releve.rollout.plan import Plan
from releve.rollout.policy import Next, Seen, Wish
from releve.rollout.sources import comparison, figures
from releve.rollout.sources.gateway import Gateway
from releve.rollout.sources.live import Live
from releve.rollout.sources.sentinels import Sentinels
from releve.rollout.state import WATCHED, Answer, after, fold

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks at the record: a breach is to be acted on within two seconds."""
AGAIN_SECONDS = 1.0
"""Between two tries to write down what could not be."""
SAFE = frozenset({"back", "ended", "unserved", "stopped"})
"""Events that lead back to the old colour, or to nothing: they happen written down or not."""
WITH_GATES = frozenset({"step", "held", "waiting", "back", "done", "ended"})


class Controller:
    """One rollout, from where its journal is to its end."""

    def __init__(self, plan: Plan, kept: Journal, folder: Path) -> None:
        self._plan = plan
        self._journal = kept
        self._unwritten: list[Entry] = []
        self._state = fold(kept.entries)
        self._gates: dict[str, Answer] = {}
        began = self._state.began
        gateway = Gateway(plan)
        self._lease = Lease(plan, gateway, lambda: self._state, self._decide)
        self._sentinels = Sentinels(plan, began if plan.since is None else plan.since)
        self._live = Live(plan, gateway, self._sentinels, began)
        self._operator = Operator(folder, self.status, self._wish)
        self._notifier = Notifier(plan)
        self._look: tuple[int, asyncio.Task[None]] | None = None  # of the step with that number
        self._over = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; once the rollout has ended its status is told, and nothing is done.

        Raises OSError when the operators' socket cannot be opened.
        """
        await self._operator.open()
        self._notifier.start()
        if len(self._journal.entries) == 1:
            self._notifier.tell(self._journal.entries[0])
        try:
            self._happen(Next("controller", {"pid": os.getpid(), "version": __version__}))
            await self._work(stop)
            while self._unwritten and not await _either(stop, seconds=AGAIN_SECONDS):
                self._write_down()
            await stop.wait()
            self._happen(Next("stopped"))
        finally:
            await self._notifier.close()
            await self._operator.close()

    async def _work(self, stop: asyncio.Event) -> None:
        self._decide()
        async with asyncio.TaskGroup() as group:
            parts = (self._tick(), self._lease.run(), self._live.run())
            tasks = [group.create_task(part) for part in parts]
            await _either(stop, self._over)
            if self._look is not None:
                tasks.append(self._look[1])
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._decide()

    # -- deciding: nothing waits in here, so one decision is made at a time -----------------

    def _decide(self) -> None:
        """Look, and let everything happen that follows from it."""
        now = time.monotonic()
        if self._state.phase in WATCHED:
            self._gates = {**self._sentinels.look(now), **self._live.gates}
            if (since := self._lease.unserved_since) is not None:
                self._gates["unserved"] = figures.serving(self._plan, now - since)
        while (what := policy.following(self._plan, self._state, self._seen(now))) is not None:
            self._happen(what)
        self._compare(now)
        if self._state.phase == "ended":
            self._over.set()

    def _seen(self, now: float) -> Seen:
        lease, want = self._lease, policy.wanted(self._plan, self._state)
        decision = None if lease.heard is None else lease.heard.decision
        wrong = lease.wrong[1] if lease.wrong is not None and lease.wrong[0] == want else None
        refused = want is not None and lease.refused == want
        return Seen(now, journal.boot_id(), decision, self._gates, refused, wrong)

    def _happen(self, what: Next) -> None:
        """Write it down, then let it be so. What leads back happens all the same."""
        facts = dict(what.facts)
        if what.event in WITH_GATES:
            facts["gates"] = {name: asdict(answer) for name, answer in self._gates.items()}
        if what.event == "moved":
            facts |= {"weight": self._state.weight, "ms": self._lease.took_ms}
        entry = journal.happened(what.event, facts)
        self._unwritten.append(entry)
        why = self._write_down()
        if why is not None and what.event not in SAFE:
            self._unwritten.remove(entry)
            self._go_back(f"the journal {self._journal.path} cannot be written: {why}")
            return
        before = policy.wanted(self._plan, self._state)
        self._state = after(self._state, entry)
        log.info(sentence(self._plan, entry), extra={"event": what.event})
        self._notifier.tell(entry)
        if policy.wanted(self._plan, self._state) != before:
            self._lease.turn()

    def _go_back(self, why: str) -> None:
        if self._state.phase not in WATCHED:
            return
        self._happen(policy.back(self._state, why))

    def _write_down(self) -> str | None:
        """What is not in the journal yet, in order; returns why that cannot be."""
        while self._unwritten:
            try:
                self._journal.append(self._unwritten[0])
            except OSError as error:
                log.error("not written down", extra={"why": str(error)})
                return error.strerror or str(error)
            del self._unwritten[0]
        return None

    def _wish(self, wish: Wish, by: str) -> None:
        answer = policy.asked(self._state, wish)
        if isinstance(answer, str):
            raise operator.Refused(answer)
        self._happen(Next(answer.event, {"by": by}))
        self._decide()

    # -- the comparison probe --------------------------------------------------------------

    def _compare(self, now: float) -> None:
        """Start the look that is due; end one whose answer nobody needs any more."""
        if self._look is not None:
            step, task = self._look
            if not task.done():
                if step != self._state.step or self._state.phase not in WATCHED:
                    task.cancel()
                return
            self._look = None
            if not task.cancelled():
                task.result()  # raises what went wrong in it
        number = policy.look_due(self._plan, self._state, now)
        if number is not None:
            self._look = (self._state.step, asyncio.create_task(self._look_at(number)))

    async def _look_at(self, number: int) -> None:
        asked = self._plan.comparison
        assert asked is not None
        began = time.monotonic()
        answer, reason = await comparison.look(asked.looks[number], asked.seconds)
        facts = {
            "look": len(self._state.looks) + 1,
            "answer": answer,
            "reason": reason,
            "seconds": round(time.monotonic() - began, 1),
        }
        self._look = None
        self._happen(Next("compared", facts))
        self._decide()

    # -- telling ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The form of GET /status."""
        entries = [*self._journal.entries, *self._unwritten]
        heard, notifier = self._lease.heard, self._notifier
        return {
            **operator.describe(self._plan, self._state, entries, time.monotonic()),
            "gates": {name: asdict(answer) for name, answer in self._gates.items()},
            "gateway": {
                "trouble": self._lease.trouble,
                "decision": None if heard is None else asdict(heard.decision),
                "serving": None if heard is None else sorted(heard.serving),
                "lease_remaining_seconds": None if heard is None else heard.remaining_seconds,
            },
            "notifications": {"sent": notifier.sent, "failed": notifier.failed},
        }


async def _either(*events: asyncio.Event, seconds: float | None = None) -> bool:
    """Wait until one of them is set, or so long; returns whether one is."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in waiting:
            task.cancel()
