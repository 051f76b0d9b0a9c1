"""Calls that a gateway before this one assigned: it took over, or was started again.

Their agents' attributes name this gateway. When its workers have come back, the calls are known
here as those of a worker whose connection is gone: watched, and given back to whoever reports them.
"""

from __future__ import annotations

import asyncio
import logging

from livekit import api
from livekit.protocol import models

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.job import Dispatch, Job
from releve.gateway.dispatch.worker import Unconnected, Worker
from releve.gateway.registration_key import Key, keys_of
from releve.gateway.server.errors import ServerError
from releve.gateway.server.participants import Agent, agents_of
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

ROOMS_AT_ONCE, PAUSE_SECONDS = 16, 0.5
"""How fast rooms are gone through: offers come first."""
AGAIN_SECONDS = 2.0


class InheritedCalls:
    """Found once, at the start; what the gateway itself assigns is known anyway."""

    def __init__(self, dispatcher: Dispatcher, room_service: RoomService) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._keys = [key for key in keys_of(dispatcher.config) if Dispatch(key, "").for_room]
        self._found: dict[str, Job] = {}
        self._worker_came = asyncio.Event()
        dispatcher.presence.joined.append(lambda _worker: self._worker_came.set())

    async def run(self) -> None:
        """Ends when all are found.

        The gateway before this one may still be there until workers come, and looks after its
        calls; those it assigns until then are found by the second look.
        """
        await self._look()
        await self._worker_came.wait()
        self._inherit()
        await self._look()

    def _inherit(self) -> None:
        if self._worker_came.is_set():
            for job in self._found.values():
                self._dispatcher.jobs.inherit(job)
            self._found.clear()

    async def _look(self) -> None:
        while True:
            try:
                return await self._go_through(await self._room_service.rooms())
            except ServerError as error:
                log.warning("calls of before are not known", extra={"why": str(error)})
                await asyncio.sleep(AGAIN_SECONDS)

    async def _go_through(self, rooms: list[models.Room]) -> None:
        for first in range(0, len(rooms), ROOMS_AT_ONCE):
            if first:
                await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.gather(*map(self._room, rooms[first : first + ROOMS_AT_ONCE]))
            self._inherit()

    async def _room(self, room: models.Room) -> None:
        agents = agents_of(room.name, await self._room_service.participants(room.name))
        ours = [agent for agent in agents if self._is_ours(agent)]
        if ours:
            dispatches = await self._room_service.dispatches(room.name)
            for agent in ours:
                self._found[str(agent.job)] = self._job(agent, room, dispatches)

    def _is_ours(self, agent: Agent) -> bool:
        return (
            agent.gateway == self._dispatcher.gateway
            and agent.agent in self._dispatcher.config.agents
            and agent.for_room
            and None not in (agent.job, agent.colour, agent.worker)
            and agent.job not in self._dispatcher.registry.jobs
        )

    def _job(self, agent: Agent, room: models.Room, dispatches: list[api.AgentDispatch]) -> Job:
        assert agent.agent and agent.colour and agent.worker and agent.job
        link = Unconnected()
        register = api.RegisterWorkerRequest()
        worker = Worker(agent.worker, agent.agent, agent.colour, link, register, "")
        dispatch = self._dispatch(agent, room, dispatches)
        job = Job(agent.job, dispatch, worker, link, agent.identity, "detached")
        job.ended = job.started
        return job

    def _dispatch(
        self, agent: Agent, room: models.Room, dispatches: list[api.AgentDispatch]
    ) -> Dispatch:
        """As the server has it; should it not name the job, a plain one under the public key.

        A dark name beside the room's own was a handover's: its agent is missed under the own one.
        """
        keys = [key for key in self._keys if key.agent == agent.agent]
        named = {key.agent_name: key for key in keys if not key.by_deployment}
        exact = {(key.agent_name, key.deployment): key for key in keys}
        keyed = [
            (exact.get((item.agent_name, item.deployment)) or named.get(item.agent_name), item)
            for item in dispatches
        ]
        public = self._public(agent)
        own = [item for key, item in keyed if key is not None and key.only is None]
        for key, item in keyed:
            if key is not None and agent.job in [job.id for job in item.state.jobs]:
                asked = item
                if key.only is not None and own:
                    key, asked = public, own[0]
                    self._dispatcher.repeats.note(item.id)
                return Dispatch(
                    key,
                    room.name,
                    room.sid,
                    item.id,
                    asked.metadata,
                    asked.deployment,
                    dict(asked.attributes),
                )
        return Dispatch(public, room.name, room.sid)

    def _public(self, agent: Agent) -> Key:
        return next(key for key in self._keys if key.agent == agent.agent and key.only is None)
