"""Callers who were left alone are sent an agent: their rooms are dispatched again.

LiveKit Server does neither when a worker dies nor when an offer comes to nothing. A connection that
is gone proves little, because jobs live in processes of their own, and an offer may have gone
elsewhere; so the server is asked, and a room gets a new agent only when a caller is in it, no agent
is, and none is on its way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from livekit.protocol import agent as proto

from releve.gateway.dispatch import agent_attributes
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.worker import Job, Worker
from releve.gateway.registration_key import Key
from releve.gateway.server.room_service import RoomService, ServerError, is_agent

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""Between the end of a connection and the first question about its calls."""
LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 15.0
HASTE_SECONDS = 60.0
"""How long the short interval is kept. The server takes up to about 20 s to notice a death: whoever
is in the room after this lives, and may hang up like any other."""
ARRIVAL_SECONDS = 10.0
"""How long a new agent may take before the room is dispatched once more."""
ELSEWHERE_SECONDS = 3.0 + ARRIVAL_SECONDS
"""How long an agent may take to come from another gateway: the server asks for three seconds."""


@dataclass(eq=False)
class Watch:
    """A room that may have lost its agent of `key`; `behind` are agents that do not count."""

    key: Key
    room: str
    behind: set[str] = field(default_factory=set)
    since: float = field(default_factory=time.monotonic)


class Redispatcher:
    """Watches the calls of workers whose connection is gone, and of offers that were lost."""

    def __init__(self, dispatcher: Dispatcher, room_service: RoomService) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._watches: dict[tuple[str, str], Watch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        dispatcher.presence.left.append(self._left)
        dispatcher.lost.append(self._lost)

    def stop(self) -> None:
        """Watch no more."""
        for task in self._tasks:
            task.cancel()

    def _left(self, worker: Worker, held: list[Job]) -> None:
        for job in held:
            if job.state == "detached":
                log.info("call left behind", extra={"room": job.room, "worker": worker.id})
                self._watch(job.key, job.room, GRACE_SECONDS, job.identity)

    def _lost(self, key: Key, room: str) -> None:
        log.info("offer came to nothing", extra={"room": room, "key": str(key)})
        self._watch(key, room, ELSEWHERE_SECONDS)

    def _watch(self, key: Key, room: str, grace: float, *behind: str) -> None:
        if key.kind != proto.JobType.JT_ROOM:
            return  # the server sends those anew whenever a participant comes
        if (watch := self._watches.get((key.agent, room))) is None:
            watch = self._watches[key.agent, room] = Watch(key, room)
            task = asyncio.create_task(self._until_settled(watch, grace))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        watch.behind.update(behind)
        watch.since = time.monotonic()

    async def _until_settled(self, watch: Watch, grace: float) -> None:
        """Until the call is over or has an agent that is none of those left behind."""
        pause = LOOK_SECONDS
        try:
            await asyncio.sleep(grace)
            while True:
                try:
                    if await self._settled(watch):
                        return
                except ServerError as error:
                    facts = {"room": watch.room, "why": str(error)}
                    log.warning("call not looked after", extra=facts)
                await asyncio.sleep(pause)
                if time.monotonic() - watch.since > HASTE_SECONDS:
                    pause = min(LONGEST_LOOK_SECONDS, pause * 2)
        finally:
            del self._watches[watch.key.agent, watch.room]

    async def _settled(self, watch: Watch) -> bool:
        people = await self._room_service.people(watch.room)
        agents = [who for who in people if is_agent(who)]
        # A room may have other agents too: those are nobody's replacement.
        agent = watch.key.agent
        same = {who.identity for who in agents if agent_attributes.is_of(who.attributes, agent)}
        if len(agents) == len(people) or same - watch.behind:
            return True
        if same:  # the one left behind is still there
            return time.monotonic() - watch.since > HASTE_SECONDS
        if any(
            job.room == watch.room and job.key.agent == agent
            for job in self._dispatcher.registry.running()
        ):
            return False  # one is on its way
        ours = self._somebody_may_come(watch.key)
        await self._room_service.dispatch(watch.room, watch.key.agent_name)
        self._dispatcher.metrics.redispatches.labels(agent).inc()
        self._dispatcher.events.publish("redispatch", agent=agent, room=watch.room)
        log.warning("room dispatched again", extra={"room": watch.room, "agent": agent})
        await self._arrival(watch.key, ours)
        return False

    async def _arrival(self, key: Key, ours: bool) -> None:
        """Give the new agent time; if it was another gateway's to send, end when we have one."""
        until = time.monotonic() + ARRIVAL_SECONDS
        while time.monotonic() < until and (  # noqa: ASYNC110
            ours or not self._somebody_may_come(key)
        ):
            await asyncio.sleep(LOOK_SECONDS)

    def _somebody_may_come(self, key: Key) -> bool:
        _load, full = self._dispatcher.load(key)
        return not full
