"""The operator's side: a small HTTP API on a unix socket that only root can open."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from prometheus_client import generate_latest

from releve import __version__
from releve.gateway.config import DEFAULT
from releve.gateway.decisions.file import Locked
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover.handovers import Handovers
from releve.gateway.operator import answers, logs
from releve.gateway.operator.decide import DecisionsApi
from releve.gateway.operator.hand_over import HandoverApi
from releve.gateway.operator.page import Page
from releve.gateway.operator.sse import Stream
from releve.gateway.operator.why import Why
from releve.gateway.server.connection import ServerConnection
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService
from releve.gateway.upkeep.drain import Drain

BODY_BYTES = 1 << 17
"""Room for the longest lists."""


class Admin:
    """GET /state, /decisions, /jobs, /calls, /why, /handover, /events, /metrics; PUT /decisions
    and /workers/<id or address>/cordon; POST and DELETE /handover. docs/gateway-api.md is the
    contract."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        upstreams: Sequence[ServerConnection],
        room_service: RoomService,
        drain: Drain,
        handovers: Handovers,
        changed: Callable[[], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._upstreams = upstreams
        self._room_service = room_service
        self._drain = drain
        self._handovers = handovers
        self._changed = changed
        self._why = Why(dispatcher, upstreams, room_service)
        self._stream = Stream(dispatcher.events, self.describe)
        dispatcher.metrics.registry.register(logs.DroppedLines())

    def app(self) -> web.Application:
        """Everything, for the unix socket."""
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_get("/state", self.state)
        DecisionsApi(self._dispatcher.config, self._dispatcher.rulebook).add_to(app)
        HandoverApi(self._dispatcher.config, self._handovers).add_to(app)
        app.router.add_put("/workers/{worker}/cordon", self.cordon_worker)
        app.router.add_get("/jobs", self.jobs)
        app.router.add_get("/calls", self.calls)
        app.router.add_get("/why", self._why.handle)
        app.router.add_get("/events", self._stream.handle)
        app.router.add_get("/metrics", self.metrics)
        return app

    def public_app(self) -> web.Application:
        """What may be read by anybody who reaches the port: metrics, health and the page."""
        app = web.Application(client_max_size=0)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/health", self.health)
        Page(self._dispatcher, self._drain, self._why).add_to(app)
        return app

    def describe(self) -> dict[str, object]:
        """The live state; `monotonic` is the clock of every time in it, `host` tells which of
        several gateways answers.

        What is said of the default agent stands at the top as well.
        """
        dispatcher = self._dispatcher
        config, decisions = dispatcher.config, dispatcher.rulebook.decisions
        agents = {
            agent: {
                **key.model_dump(),
                "weights": decisions.agents[agent].weights.as_dict(),
                "cordoned": sorted(decisions.agents[agent].cordoned),
                "drained": self._drain.drained_of(agent),
                "flips": dispatcher.rulebook.flips[agent],
                "epoch": decisions.of(agent).tenure.epoch,
                "by": decisions.of(agent).tenure.by,
            }
            for agent, key in config.agents.items()
        }
        plain = agents[DEFAULT]
        return {
            "version": __version__,
            "host": socket.gethostname(),
            "monotonic": time.monotonic(),
            **{name: plain[name] for name in ("weights", "cordoned", "drained", "flips")},
            "agents": agents,
            "cordoned_peers": sorted(decisions.cordoned_peers),
            "upstreams": [item.describe() for item in self._upstreams if item.wanted],
            "workers": [worker.describe() for worker in dispatcher.registry.workers.values()],
            "jobs": len(dispatcher.registry.live),
            "cordoned_away": [worker.id for worker in dispatcher.presence.away],
        }

    async def state(self, _request: web.Request) -> web.Response:
        """GET /state."""
        return web.json_response(self.describe())

    async def cordon_worker(self, request: web.Request) -> web.Response:
        """No new calls for a worker: by its id as long as it is connected, by its address for
        good. It takes no epoch: a rollout goes on beside it."""
        name = request.match_info["worker"]
        worker = self._dispatcher.registry.workers.get(name)
        if worker is not None:

            async def decide(wanted: bool) -> bool:
                return self._dispatcher.presence.cordon(worker, wanted)

            facts = {"agent": worker.agent, "worker": worker.id}
            return await self._cordon(request, facts, decide)
        try:
            peer = str(ipaddress.ip_address(name))
        except ValueError:
            text = f"no worker {name!r} is connected; give an id of GET /state or an address"
            return answers.mistake(text, status=404)
        return await self._cordon(
            request,
            {"peer": peer},
            lambda wanted: self._dispatcher.rulebook.set_peer_cordon(peer, wanted),
        )

    async def _cordon(
        self, request: web.Request, what: dict[str, str], decide: Callable[[bool], Awaitable[bool]]
    ) -> web.Response:
        try:
            body = await answers.body_of(request)
        except ValueError as error:
            return answers.mistake(f"cordon: {error}")
        wanted = body.get("cordoned") if isinstance(body, dict) else None
        if not isinstance(wanted, bool):
            return answers.mistake('cordon: send {"cordoned": true} or {"cordoned": false}')
        try:
            changed = await decide(wanted)
        except Locked as error:
            return answers.busy(error)
        except OSError as error:
            return answers.not_kept(error)
        if changed:
            self._changed()
        return web.json_response({**what, "cordoned": wanted, "changed": changed})

    async def calls(self, _request: web.Request) -> web.Response:
        """Every agent in every room, by the server's word; 502 when it does not answer."""
        try:
            agents = await self._room_service.agents()
        except ServerError as error:
            return answers.mistake(f"calls: the server does not answer: {error}", status=502)
        return web.json_response([agent.describe() for agent in agents])

    async def jobs(self, _request: web.Request) -> web.Response:
        """Running jobs and the ended ones still remembered, oldest first."""
        return web.json_response(
            [job.describe() for job in self._dispatcher.registry.jobs.values()]
        )

    async def health(self, _request: web.Request) -> web.Response:
        """200 while every key is registered at the server, else 503 and which are not."""
        lost = [
            str(item.key)
            for item in self._upstreams
            if item.wanted and not item.registered.is_set()
        ]
        if lost:
            return web.Response(
                status=503, text=f"not registered at the server: {', '.join(lost)}\n"
            )
        return web.Response(text="registered at the server\n")

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus text format."""
        body = generate_latest(self._dispatcher.metrics.registry)
        return web.Response(body=body, content_type="text/plain", charset="utf-8")
