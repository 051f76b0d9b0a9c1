"""The operator's side: a small HTTP API on a unix socket that only root can open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import generate_latest

from releve import __version__
from releve.gateway.dispatch import Dispatcher
from releve.gateway.policy import COLOURS, parse_weights
from releve.gateway.upstream import Upstream


class Admin:
    """GET /state, PUT /weights, PUT /colours/<colour>/cordon, GET /jobs, GET /metrics."""

    def __init__(
        self, dispatcher: Dispatcher, upstreams: Sequence[Upstream], changed: Callable[[], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._upstreams = upstreams
        self._changed = changed

    def app(self) -> web.Application:
        """Everything, for the unix socket."""
        app = web.Application(client_max_size=4096)
        app.router.add_get("/state", self.state)
        app.router.add_put("/weights", self.weights)
        app.router.add_put("/colours/{colour}/cordon", self.cordon)
        app.router.add_get("/jobs", self.jobs)
        app.router.add_get("/metrics", self.metrics)
        return app

    def metrics_app(self) -> web.Application:
        """What may be read by anybody who reaches the port."""
        app = web.Application(client_max_size=0)
        app.router.add_get("/metrics", self.metrics)
        return app

    async def state(self, _request: web.Request) -> web.Response:
        """The live state; `monotonic` is the clock of every time in it."""
        dispatcher = self._dispatcher
        return web.json_response(
            {
                "version": __version__,
                "monotonic": time.monotonic(),
                "weights": dispatcher.rules.weights.as_dict(),
                "cordoned": sorted(dispatcher.rules.cordoned),
                "flips": dispatcher.flips,
                "upstreams": [upstream.describe() for upstream in self._upstreams],
                "workers": [worker.describe() for worker in dispatcher.roster.workers.values()],
                "jobs": len(dispatcher.roster.running()),
            }
        )

    async def weights(self, request: web.Request) -> web.Response:
        """Flip; answers 400 with a sentence when the weights make no sense."""
        began = time.monotonic()
        try:
            weights = parse_weights(await request.json())
        except ValueError as error:
            return _mistake(f"weights: {error}")
        try:
            changed = self._dispatcher.set_weights(weights)
        except OSError as error:
            return _mistake(f"weights: not changed, they cannot be remembered: {error}", status=500)
        if changed:
            self._changed()
        elapsed = (time.monotonic() - began) * 1000
        return web.json_response(
            {"weights": weights.as_dict(), "changed": changed, "ms": round(elapsed, 3)}
        )

    async def cordon(self, request: web.Request) -> web.Response:
        """Body `{"cordoned": true}`: the colour takes no new calls."""
        colour = request.match_info["colour"]
        if colour not in COLOURS:
            return _mistake(f"there is no colour {colour!r}; use blue or green", status=404)
        try:
            body = await request.json()
        except ValueError as error:
            return _mistake(f"cordon: {error}")
        wanted = body.get("cordoned") if isinstance(body, dict) else None
        if not isinstance(wanted, bool):
            return _mistake('cordon: send {"cordoned": true} or {"cordoned": false}')
        try:
            changed = self._dispatcher.set_cordon(colour, wanted)
        except OSError as error:
            return _mistake(f"cordon: not changed, it cannot be remembered: {error}", status=500)
        if changed:
            self._changed()
        return web.json_response({"colour": colour, "cordoned": wanted, "changed": changed})

    async def jobs(self, _request: web.Request) -> web.Response:
        """Running jobs and the ended ones still remembered, oldest first."""
        return web.json_response([job.describe() for job in self._dispatcher.roster.jobs.values()])

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus text format."""
        body = generate_latest(self._dispatcher.metrics.registry)
        return web.Response(body=body, content_type="text/plain", charset="utf-8")


def _mistake(text: str, status: int = 400) -> web.Response:
    return web.json_response({"error": text}, status=status)
