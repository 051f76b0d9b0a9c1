"""Everything the gateway listens on: a port of workers per colour, the page's, the admin socket."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cached_property

import aiohttp
from aiohttp import web

from releve.gateway import policy
from releve.gateway.auth.certificate import Certificate
from releve.gateway.config import GatewayConfig
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.operator import logs
from releve.gateway.operator.api import Admin
from releve.gateway.server.connection import ServerConnection
from releve.gateway.workers import limits
from releve.gateway.workers.limits import Admission
from releve.gateway.workers.proxy import ReverseProxy
from releve.gateway.workers.requests import WorkerRequests
from releve.gateway.workers.session import WorkerEndpoint

SHUTDOWN_SECONDS = 0.1
"""aiohttp waits this long twice for connections that do not end by themselves."""
IDLE_SECONDS = 15.0
"""A connection on which nobody asks for anything is closed; aiohttp itself waits for an hour."""
NEVER_ROUNDED = 3600.0
"""aiohttp rounds timers above this many seconds up to the next whole one: the heartbeats of
thousands of workers would then come at once, and every offer of that moment wait for them."""

LOOPBACK = ("127.0.0.1", "::1")


class Listening:
    """Opened once, with everything; the workers' side may be closed before the rest."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._runners: list[web.AppRunner] = []
        self._worker_sites: list[web.TCPSite] = []
        self._doors: list[WorkerEndpoint] = []

    async def open(
        self,
        session: aiohttp.ClientSession,
        dispatcher: Dispatcher,
        upstreams: Sequence[ServerConnection],
        admin: Admin,
        changed: Callable[[], None],
        take_over: bool,
        certificate: Certificate | None,
    ) -> None:
        """Raises OSError when something else listens there; another gateway may with `take_over`.

        The admin socket comes last: it belongs to the gateway that was started last, and a second
        one that was not meant to be fails at the ports.
        """
        limits.raise_open_files()
        config = self._config
        ports = [*config.ports.values(), config.metrics_port]
        if not take_over:
            for port in ports:
                self._is_free(port)
        proxy = ReverseProxy(session, config.server_url)
        requests = WorkerRequests(upstreams, dispatcher)
        doors = Admission(config.max_workers)
        tls = None if certificate is None else certificate.context
        for colour in policy.COLOURS:
            door = WorkerEndpoint(colour, dispatcher, upstreams[0], requests, doors, changed)
            app = web.Application()
            # 0.7.2 asks for //agent (it joins an empty path), later versions for /agent.
            app.router.add_get("/agent", door.handle)
            app.router.add_get("//agent", door.handle)
            app.router.add_route("*", "/{path:.*}", proxy.handle)
            of_colour = tls if colour in config.worker_tls else None
            self._worker_sites += await self._sites(app, config.ports[colour], of_colour)
            self._doors.append(door)
        await self._sites(admin.public_app(), config.metrics_port)
        runner = await self._runner(admin.app())
        before = os.umask(0o177)  # not chmod afterwards: there would be a moment in between
        try:
            await web.UnixSite(runner, str(config.admin_socket)).start()
        finally:
            os.umask(before)

    def _is_free(self, port: int) -> None:
        for host in self._hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()

    @cached_property
    def _hosts(self) -> tuple[str, ...]:
        """`localhost` is both loopback addresses, where the host has both: a worker uses either."""
        if self._config.listen_host != "localhost":
            return (self._config.listen_host,)
        return LOOPBACK if _has_ipv6() else LOOPBACK[:1]

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=logs.http,
            shutdown_timeout=SHUTDOWN_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
            timeout_ceil_threshold=NEVER_ROUNDED,
        )
        await runner.setup()
        self._runners.append(runner)
        return runner

    async def _sites(
        self, app: web.Application, port: int, tls: ssl.SSLContext | None = None
    ) -> list[web.TCPSite]:
        """Open at every address. Raises OSError."""
        runner = await self._runner(app)
        sites = [
            web.TCPSite(runner, host, port, ssl_context=tls, reuse_port=True)
            for host in self._hosts
        ]
        for site in sites:
            await site.start()
        return sites

    async def send_workers_away(self) -> None:
        """No worker comes in any more, and those that are here go: to our successor, if any."""
        await asyncio.gather(*(site.stop() for site in self._worker_sites))
        await asyncio.gather(*(door.hang_up() for door in self._doors))

    async def close(self) -> None:
        """All that is left."""
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))


def _has_ipv6() -> bool:
    try:
        socket.create_server((LOOPBACK[1], 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
