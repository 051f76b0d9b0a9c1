"""Puts the parts together and runs them until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from functools import partial

import aiohttp
from aiohttp import web

from releve import keys
from releve.gateway import policy, state
from releve.gateway.admin import Admin
from releve.gateway.config import GatewayConfig
from releve.gateway.dispatch import Dispatcher
from releve.gateway.downstream import Downstream
from releve.gateway.passthrough import Passthrough
from releve.gateway.policy import Colour
from releve.gateway.upstream import Upstream

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 0.3
"""aiohttp waits this long twice for workers, who never hang up by themselves."""


async def run(config: GatewayConfig, stop: asyncio.Event | None = None) -> None:
    """Run until SIGTERM, SIGINT or `stop`; agents and their calls live on without the gateway."""
    stop = stop or _stop_on_signals()
    secret = keys.load(config.keys_file)
    rules = state.load(config.state_file, frozenset(config.fallback))
    dispatcher = Dispatcher(config, secret, rules)
    async with aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        upstreams = _upstreams(session, dispatcher)
        runners: list[web.AppRunner] = []
        try:
            await _listen(session, dispatcher, upstreams, runners)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(upstream.run()) for upstream in upstreams]
                log.info("gateway up", extra={"weights": rules.weights.as_dict()})
                await stop.wait()
                for task in running:
                    task.cancel()
        finally:
            await asyncio.gather(*(runner.cleanup() for runner in runners))
        log.info("gateway down")


def _upstreams(session: aiohttp.ClientSession, dispatcher: Dispatcher) -> list[Upstream]:
    """The public key first, then one dark key per colour."""

    def public(room: str) -> tuple[Colour, ...]:
        return policy.colours_for(room, dispatcher.rules)

    def only(colour: Colour, _room: str) -> tuple[Colour, ...]:
        return (colour,)

    config = dispatcher.config
    return [
        Upstream(session, dispatcher, config.agent_name, public, dispatcher.public_load),
        *(
            Upstream(
                session,
                dispatcher,
                config.dark_name(colour),
                partial(only, colour),
                partial(dispatcher.dark_load, colour),
            )
            for colour in policy.COLOURS
        ),
    ]


async def _listen(
    session: aiohttp.ClientSession,
    dispatcher: Dispatcher,
    upstreams: list[Upstream],
    runners: list[web.AppRunner],
) -> None:
    # The admin socket comes last: a second gateway fails at the ports and leaves it to the first.
    def changed() -> None:
        for upstream in upstreams:
            upstream.report_soon()

    config = dispatcher.config
    proxy = Passthrough(session, config.server_url)
    admin = Admin(dispatcher, upstreams, changed)

    async def runner_of(app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        runners.append(runner)
        return runner

    for colour in policy.COLOURS:
        door = Downstream(colour, dispatcher, upstreams[0], changed)
        app = web.Application()
        # 0.7.2 asks for //agent (it joins an empty path), later versions for /agent.
        app.router.add_get("/agent", door.handle)
        app.router.add_get("//agent", door.handle)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        await web.TCPSite(await runner_of(app), config.listen_host, config.ports[colour]).start()
    await web.TCPSite(
        await runner_of(admin.metrics_app()), config.listen_host, config.metrics_port
    ).start()
    await web.UnixSite(await runner_of(admin.app()), str(config.admin_socket)).start()
    config.admin_socket.chmod(0o600)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
