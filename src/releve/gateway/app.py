"""Puts the parts together and runs them until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal

import aiohttp

from releve.gateway import gateway_id
from releve.gateway.auth.api_keys import Keyring
from releve.gateway.auth.certificate import Certificate
from releve.gateway.config import GatewayConfig
from releve.gateway.decisions import file as decisions_file
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover import context
from releve.gateway.handover.asking import Asking
from releve.gateway.handover.handovers import Handovers
from releve.gateway.handover.leftovers import Leftovers
from releve.gateway.handover.open_rooms import OpenRooms
from releve.gateway.handover.steps import Steps
from releve.gateway.listeners import Listening
from releve.gateway.operator.api import Admin
from releve.gateway.registration_key import keys_of
from releve.gateway.server.callers import Callers
from releve.gateway.server.connection import ServerConnection
from releve.gateway.server.room_service import RoomService
from releve.gateway.upkeep.drain import Drain
from releve.gateway.upkeep.inherited_calls import InheritedCalls
from releve.gateway.upkeep.python_gc import GarbageCollection
from releve.gateway.upkeep.redispatch import Redispatcher
from releve.gateway.upkeep.stale_jobs import StaleJobs

log = logging.getLogger(__name__)

WIND_UP_SECONDS = 0.5
HOLD_SECONDS = 0.5
"""What a worker takes to come back to whoever listens now; both SDKs try at once."""


async def run(
    config: GatewayConfig, stop: asyncio.Event | None = None, take_over: bool = False
) -> None:
    """Run until SIGTERM, SIGINT or `stop`; agents and their calls live on without the gateway.

    With `take_over` another gateway may still listen on the same ports: it is to be told to stop
    next, and its workers come to this one.
    """
    stop = stop or _stop_on_signals()
    ring = Keyring(config.keys_file)
    certificate = None
    if config.worker_cert is not None and config.worker_key is not None:
        certificate = Certificate(config.worker_cert, config.worker_key)
    decisions = decisions_file.load(config.state_file, config.agents, frozenset(config.fallback))
    dispatcher = Dispatcher(config, ring, decisions, gateway_id.load(config.state_file))
    await dispatcher.rulebook.follow()  # a lease may have run out while no gateway ran
    background = dispatcher.background
    async with aiohttp.ClientSession(
        # No limit: what passes through must never keep our own connections from the server.
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        upstreams: list[ServerConnection] = []
        for key in keys_of(config):
            public = upstreams[0] if key.by_deployment else None
            upstreams.append(ServerConnection(session, dispatcher, key, public))

        def changed() -> None:
            for upstream in upstreams:
                upstream.report_soon()

        dispatcher.rulebook.changed.append(changed)
        dispatcher.places.freed.append(changed)
        room_service = RoomService(session, config.server_url, ring)
        dispatcher.caller_of = Callers(room_service).of
        drain = Drain(dispatcher, room_service)
        redispatcher = Redispatcher(dispatcher, room_service)
        inherited = InheritedCalls(dispatcher, room_service)
        open_rooms = OpenRooms(config.state_file)
        asking = Asking(config.server_url, ring, dispatcher.registry, room_service)
        steps = Steps(dispatcher, room_service, open_rooms, asking.ask, context.in_metadata)
        handovers = Handovers(dispatcher, room_service, steps)
        leftovers = Leftovers(dispatcher, open_rooms, steps, take_over)
        garbage = GarbageCollection()
        dispatcher.presence.left.append(garbage.note)
        listening = Listening(config)
        try:
            admin = Admin(dispatcher, upstreams, room_service, drain, handovers, changed)
            await listening.open(
                session, dispatcher, upstreams, admin, changed, take_over, certificate
            )
            for upstream in upstreams:
                background.keep("server_connection", upstream.run)
            background.keep("decisions", dispatcher.rulebook.run)
            background.keep("drain", drain.run)
            background.keep("redispatch", redispatcher.run)
            background.keep("inherited_calls", inherited.run)
            background.keep("handover_leftovers", leftovers.run)
            background.keep("stale_jobs", StaleJobs(dispatcher.registry, room_service).run)
            background.keep("python_gc", garbage.run)
            if certificate is not None:
                background.keep("certificate", certificate.run)
            log.info("gateway up", extra={"agents": list(config.agents)})
            await stop.wait()
            await _hand_over(dispatcher, listening)
        finally:
            await background.stop()
            dispatcher.events.close()
            await listening.close()
        log.info("gateway down")


async def _hand_over(dispatcher: Dispatcher, listening: Listening) -> None:
    """Keep what was promised, then let the workers go to whoever listens now.

    Between two gateways a worker is nobody's for a moment. A room that the server offers then is
    turned away when that moment is over: the server asks our successor at once.
    """
    await dispatcher.wind_up(WIND_UP_SECONDS)
    here = bool(dispatcher.registry.workers)
    await listening.send_workers_away()
    if here:
        await asyncio.sleep(HOLD_SECONDS)
    await dispatcher.turn_away()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
