"""Each change of a rollout as a sentence, and as JSON to the notify_urls; Slack shows its text."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from releve.rollout.journal import Entry
from releve.rollout.plan import Plan

QUIET = frozenset({"epoch", "moved", "controller", "stopped"})
"""Events that are written down and told to nobody."""

log = logging.getLogger(__name__)

POST_SECONDS = 5.0
KEPT = 100
"""Changes that may wait for one slow receiver."""
LAST_SECONDS = 3.0
"""How long the end of the controller waits for what was not sent yet."""


def sentence(plan: Plan, entry: Entry) -> str:
    """What happened, for people."""
    facts = entry.facts
    steps = len(plan.schedule)
    step = facts.get("step")
    match entry.event:
        case "began":
            weights = ", ".join(str(each.weight) for each in plan.schedule)
            return f"{plan.to} is to get {weights} % of new rooms, {plan.from_} the others"
        case "epoch":
            return f"decisions are made under epoch {facts['epoch']}"
        case "step":
            seconds = plan.schedule[facts["step"] - 1].seconds
            return f"step {step} of {steps}: {plan.to} gets {facts['weight']} % for {seconds:g} s"
        case "moved":
            return f"the weights are in force: {plan.to} {facts['weight']} %"
        case "compared":
            said = f": {facts['reason']}" if facts["answer"] != "pass" else ""
            return f"comparison, look {facts['look']}: {facts['answer']}{said}"
        case "held":
            return f"the weights are held, a gate has no answer: {facts['reason']}"
        case "approval":
            return f"step {step} of {steps} waits for `releve rollout approve`"
        case "waiting":
            return (
                f"waits for a person: {facts['reason']}. `releve rollout approve` goes on, "
                "`releve rollout resume` looks again, a rollback goes back"
            )
        case "approved" | "paused" | "resumed":
            return f"{entry.event} by {facts['by']}"
        case "back":
            return f"every new room goes back to {plan.from_}: {facts['reason']}"
        case "unserved":
            return f"{facts['colour']} has no worker: {plan.to} stands in until one is there"
        case "done":
            return "every gate has passed"
        case "ended":
            why = f": {facts['reason']}" if facts.get("reason") else ""
            return f"{facts['verdict'].replace('_', ' ')}{why}"
        case "controller":
            return f"controller {facts['version']} runs"
        case "stopped":
            return "the controller was told to stop; the lease runs until it is renewed"
    return entry.event


class Notifier:
    """Sends in the background; a receiver that fails is counted and logged, and harms nothing.

    A URL may be a secret: only its host is told.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.sent = 0
        self.failed = 0
        self._queues: list[asyncio.Queue[dict[str, Any]]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Needs a running loop."""
        for url in self._plan.notify_urls:
            queue = asyncio.Queue[dict[str, Any]](KEPT)
            self._queues.append(queue)
            self._tasks.append(asyncio.create_task(self._send(str(url), str(url.host), queue)))

    def tell(self, entry: Entry) -> None:
        """Returns at once."""
        if entry.event in QUIET:
            return
        plan = self._plan
        change = {
            "text": f"{plan.stack}, rollout {plan.id}: {sentence(plan, entry)}",
            "rollout": plan.id,
            "stack": plan.stack,
            "agent": plan.agent,
            "event": entry.event,
            "at": entry.at,
            **{name: value for name, value in entry.facts.items() if name != "plan"},
        }
        for queue in self._queues:
            try:
                queue.put_nowait(change)
            except asyncio.QueueFull:
                self.failed += 1

    async def close(self) -> None:
        """Give what was not sent yet a moment."""
        waiting = [asyncio.create_task(queue.join()) for queue in self._queues]
        if waiting:
            await asyncio.wait(waiting, timeout=LAST_SECONDS)
        for task in (*waiting, *self._tasks):
            task.cancel()
        await asyncio.gather(*waiting, *self._tasks, return_exceptions=True)

    async def _send(self, url: str, host: str, queue: asyncio.Queue[dict[str, Any]]) -> None:
        timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                change = await queue.get()
                try:
                    async with session.post(url, json=change, allow_redirects=False) as answer:
                        if answer.status >= 300:
                            raise aiohttp.ClientError(f"it answers {answer.status}")
                    self.sent += 1
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                    self.failed += 1
                    why = type(error).__name__ if type(error) is not aiohttp.ClientError else error
                    log.warning("not notified", extra={"host": host, "why": str(why)})
                finally:
                    queue.task_done()
