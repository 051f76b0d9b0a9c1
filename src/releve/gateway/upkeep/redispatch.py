"""Rooms whose agent died, or to which none came, are dispatched again.

LiveKit Server does neither when a worker dies nor when an offer comes to nothing. A job that ends
while its worker lives is dispatched again only for agents whose `restart` says so. A connection
that is gone proves little, because jobs live in processes of their own, and an offer may have gone
elsewhere; so the server is asked, and a room gets a new agent only when a caller is in it, no agent
is, and none is on its way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.job import Dispatch, Job
from releve.gateway.dispatch.worker import Worker
from releve.gateway.server.errors import ServerError
from releve.gateway.server.participants import Agent, agents_of, is_caller
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""Between the end of a connection and the first question about its calls."""
LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 15.0
ROOMS_AT_ONCE = 16
"""Rooms asked about at each look, those that wait longest first: however many calls a cut leaves
behind, the gateway has time for new ones."""
HASTE_SECONDS = 60.0
"""How long the short interval is kept. The server takes up to about 20 s to notice a death: whoever
is in the room after this lives, and may hang up like any other."""
ARRIVAL_SECONDS = 10.0
"""How long an agent may take to its room."""
AGAIN_SECONDS = 10.0
"""How long a new agent may take before the room is dispatched once more."""
ELSEWHERE_SECONDS = 3.0 + ARRIVAL_SECONDS
"""How long an agent may take to come from another gateway: the server asks for three seconds."""
OFFER, HANDOVER = "offer", "handover"
ROOMS_COUNTED = 10_000
"""Rooms whose restarts are remembered, the last ones."""


@dataclass(eq=False)
class Watch:
    """A room that may lack an agent. `reasons` are its jobs left behind, an offer or a
    handover; `behind` are ids of jobs and identities of agents that count as dead; until `arriving`
    one of these may be on its way, because jobs live in processes of their own. `restarts` is the
    dispatch of a job that ended while its worker lives: whoever deleted it wants no agent."""

    dispatch: Dispatch
    due: float
    since: float
    reasons: set[str] = field(default_factory=set)
    behind: set[str] = field(default_factory=set)
    arriving: float = 0.0
    terminated: bool = False
    pause: float = 0.0
    tried: float | None = None
    ours: bool = False
    restarts: str = ""
    made: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The agent that is missed, and the room."""
        return self.dispatch.key.agent, self.dispatch.room

    def is_behind(self, agent: Agent) -> bool:
        """Whether it is one of those that count as dead; its identity may be its successor's."""
        return (agent.job or agent.identity) in self.behind

    def may_replace(self, agent: Agent) -> bool:
        """Whether it is the agent that is missed: other agents, and a participant's own, are
        not. One that came past the gateway does not say."""
        return agent.agent in (None, self.place[0]) and agent.for_room


class Redispatcher:
    """Watches the calls of workers whose connection is gone, and of offers that were lost."""

    def __init__(self, dispatcher: Dispatcher, room_service: RoomService) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._watches: dict[tuple[str, str], Watch] = {}
        self._restarts: OrderedDict[tuple[str, str], int] = OrderedDict()
        dispatcher.presence.left.append(self._left)
        dispatcher.jobs.lost.append(self._lost)
        dispatcher.jobs.refused.append(self._refused)
        dispatcher.jobs.missing.append(self._missing)
        dispatcher.jobs.inherited.append(self._left_behind)  # seen in its room
        dispatcher.jobs.back.append(self._settle)
        dispatcher.jobs.done.append(self._done)
        dispatcher.jobs.failed.append(self._failed)
        dispatcher.jobs.terminated.append(self._terminated)

    # -- what happens ------------------------------------------------------------------------

    def _left(self, _worker: Worker, held: list[Job]) -> None:
        for job in held:
            if job.state == "detached":
                self._left_behind(job, job.started + ARRIVAL_SECONDS)

    def _left_behind(self, job: Job, arriving: float = 0.0) -> None:
        log.info("call left behind", extra={"room": job.room, "worker": job.worker.id})
        self._watch(job.dispatch, GRACE_SECONDS, job.id, {job.id, job.identity})
        if (watch := self._watches.get((job.key.agent, job.room))) is not None:
            watch.arriving = max(watch.arriving, arriving)

    def _lost(self, dispatch: Dispatch) -> None:
        facts = {"room": dispatch.room, "key": str(dispatch.key)}
        log.info("offer came to nothing", extra=facts)
        self._watch(dispatch, ELSEWHERE_SECONDS, OFFER, set())

    def _missing(self, dispatch: Dispatch, behind: set[str]) -> None:
        self._watch(dispatch, GRACE_SECONDS, HANDOVER, behind)
        if (watch := self._watches.get((dispatch.key.agent, dispatch.room))) is not None:
            watch.dispatch = dispatch  # not the one by which a handover asked for a colour

    def _watch(self, dispatch: Dispatch, grace: float, reason: str, behind: set[str]) -> None:
        if not dispatch.for_room:
            return  # the server sends those anew whenever a participant comes
        now = time.monotonic()
        watch = self._watches.setdefault(
            (dispatch.key.agent, dispatch.room), Watch(dispatch, now + grace, now)
        )
        if dispatch.id in self._dispatcher.repeats:
            watch.made = dispatch.id
        watch.reasons.add(reason)
        watch.behind |= behind
        watch.since = now

    def _settle(self, job: Job) -> None:
        """It needs no other agent: a worker has it again, or says that it ended well."""
        watch = self._watches.get((job.key.agent, job.room))
        if watch is not None:
            watch.reasons.discard(job.id)
            watch.behind -= {job.id, job.identity}
            if not watch.reasons:
                self._forget(watch)

    def _done(self, job: Job) -> None:
        self._settle(job)
        if self._dispatcher.config.agents[job.key.agent].restart == "always":
            self._restart(job)

    def _failed(self, job: Job) -> None:
        if self._dispatcher.config.agents[job.key.agent].restart != "never":
            self._restart(job)

    def _restart(self, job: Job) -> None:
        """Let another agent come while callers are there; each time later, and not for ever."""
        most = self._dispatcher.config.agents[job.key.agent].restarts
        place = (job.key.agent, job.sid or job.room)
        number = self._restarts.pop(place, 0) + 1
        self._restarts[place] = number
        if len(self._restarts) > ROOMS_COUNTED:
            self._restarts.popitem(last=False)
        facts = {"room": job.room, "agent": job.key.agent, "restarts": number - 1}
        if number > most:
            log.warning("job ended too often: not dispatched again", extra=facts)
            self._watches.pop((job.key.agent, job.room), None)
            return
        log.info("job ended: to be dispatched again", extra=facts)
        self._watch(job.dispatch, GRACE_SECONDS * 2 ** (number - 1), job.id, {job.id, job.identity})
        if (watch := self._watches.get((job.key.agent, job.room))) is not None:
            watch.restarts = job.dispatch.id

    def _refused(self, dispatch: Dispatch) -> None:
        self._watches.pop((dispatch.key.agent, dispatch.room), None)

    def _terminated(self, job: Job) -> None:
        watch = self._watches.get((job.key.agent, job.room))
        if watch is not None and job.id in watch.reasons:
            watch.terminated, watch.due, watch.arriving = True, time.monotonic(), 0.0

    # -- what is done about it ---------------------------------------------------------------

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look after the rooms that are due; a gateway that ends leaves them to its successor."""
        if self._dispatcher.closing:
            return
        now = time.monotonic()
        due = sorted((it for it in self._watches.values() if it.due <= now), key=lambda it: it.due)
        await asyncio.gather(*(self._look_after(watch) for watch in due[:ROOMS_AT_ONCE]))

    async def _look_after(self, watch: Watch) -> None:
        now = time.monotonic()
        hasty = now - watch.since <= HASTE_SECONDS
        watch.pause = LOOK_SECONDS if hasty else min(LONGEST_LOOK_SECONDS, watch.pause * 2)
        watch.due = now + watch.pause
        try:
            if await self._settled(watch):
                self._forget(watch)
        except ServerError as error:
            log.warning("call not looked after", extra={"room": watch.place[1], "why": str(error)})

    def _forget(self, watch: Watch) -> None:
        if self._watches.get(watch.place) is watch:
            del self._watches[watch.place]

    async def _settled(self, watch: Watch) -> bool:
        """Whether the call is over, or has an agent that is none of those left behind."""
        agent, room = watch.place
        people = await self._room_service.participants(room)
        terminated, watch.terminated = watch.terminated, False
        if not any(map(is_caller, people)):
            return True
        agents = [it for it in agents_of(room, people) if watch.may_replace(it)]
        if any(not watch.is_behind(it) for it in agents):
            return True
        if agents:  # the one left behind is still there
            watch.arriving = 0.0
            # Had it left, the server would not list it: somebody wants it to go.
            return terminated or time.monotonic() - watch.since > HASTE_SECONDS
        if not self._dispatcher.on_its_way(agent, room) and self._may_try(watch):
            if watch.restarts:
                there = [it.id for it in await self._room_service.dispatches(room)]
                if watch.restarts not in there:
                    return True
            await self._try(watch)
        return False

    def _may_try(self, watch: Watch) -> bool:
        """A new agent gets time; if it was another gateway's to send, only until we have one."""
        if time.monotonic() < watch.arriving:
            return False
        if watch.tried is None or time.monotonic() - watch.tried > AGAIN_SECONDS:
            return True
        return not watch.ours and self._somebody_may_come(watch)

    async def _try(self, watch: Watch) -> None:
        agent, room = watch.place
        if watch.made:  # nobody came by it, or whoever did is dead
            await self._room_service.delete_dispatch(watch.made, room)
            watch.made = ""
        if self._dispatcher.on_its_way(agent, room):  # meanwhile
            return
        watch.tried, watch.ours = time.monotonic(), self._somebody_may_come(watch)
        with self._dispatcher.repeats.making(room) as made:
            watch.made = await self._room_service.create_dispatch(watch.dispatch.request())
            made(watch.made)
            watch.restarts = watch.restarts and watch.made
        self._dispatcher.metrics.redispatches.labels(agent).inc()
        self._dispatcher.events.publish("redispatch", agent=agent, room=room)
        self._dispatcher.history.note(room, "redispatch", agent=agent, dispatch=watch.made)
        log.warning("room dispatched again", extra={"room": room, "agent": agent})

    def _somebody_may_come(self, watch: Watch) -> bool:
        _load, full = self._dispatcher.load(watch.dispatch.key)
        return not full
