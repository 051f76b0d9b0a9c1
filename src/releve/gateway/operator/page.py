"""The read-only page: what the gateway does, live, for anybody who reaches the metrics port."""

from __future__ import annotations

from collections import Counter
from importlib import resources

from aiohttp import web

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.operator.sse import Stream
from releve.gateway.operator.why import Why
from releve.gateway.policy import COLOURS, Colour
from releve.gateway.upkeep.drain import Drain

SHOWN = 100
"""At most so many workers and calls are listed; the figures above them count all."""
EVENTS_SHOWN, ROOMS_SHOWN = 20, 20
AGAIN_SECONDS = 0.5
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """GET /, /events and /why."""

    def __init__(self, dispatcher: Dispatcher, drain: Drain, why: Why) -> None:
        self._dispatcher = dispatcher
        self._why = why
        self._drain = drain
        self._html = resources.files(__package__).joinpath("page.html").read_text("utf-8")
        self._stream = Stream(dispatcher.events, self.describe, AGAIN_SECONDS)

    def add_to(self, app: web.Application) -> None:
        """Serve the page there."""
        app.router.add_get("/", self._page)
        app.router.add_get("/events", self._stream.handle)
        app.router.add_get("/why", self._why.handle_public)

    def describe(self) -> dict[str, object]:
        """What the page shows; bounded, however many workers there are."""
        registry = self._dispatcher.registry
        workers, jobs = list(registry.workers.values()), registry.running()
        here = Counter((worker.agent, worker.colour) for worker in workers)
        held = Counter((job.worker.agent, job.worker.colour) for job in jobs)

        def box(agent: str, colour: Colour) -> dict[str, object]:
            rules = self._dispatcher.rulebook.rules(agent)
            return {
                "agent": agent,
                "colour": colour,
                "weight": rules.weights[colour],
                "workers": here[agent, colour],
                "calls": held[agent, colour],
                "cordoned": colour in rules.cordoned,
                "drained": (agent, colour) in self._drain.drained,
            }

        return {
            "colours": [
                box(agent, colour) for agent in self._dispatcher.config.agents for colour in COLOURS
            ],
            "decisions": [
                self._dispatcher.rulebook.describe(agent)
                for agent in self._dispatcher.config.agents
            ],
            "rooms": self._dispatcher.history.latest(ROOMS_SHOWN),
            "workers": [worker.describe() for worker in workers[:SHOWN]],
            "calls": [job.describe() for job in jobs[-SHOWN:]],
            "events": [
                event.describe() for event in list(self._dispatcher.events.last)[-EVENTS_SHOWN:]
            ],
        }

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._html, content_type="text/html", headers=HEADERS)
