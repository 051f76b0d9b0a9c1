"""POST, GET and DELETE /handover: live calls moved to the other colour."""

from __future__ import annotations

from aiohttp import web

from releve.gateway.config import GatewayConfig
from releve.gateway.handover import model
from releve.gateway.handover.handovers import Handovers, Refused
from releve.gateway.operator import answers
from releve.gateway.server.errors import ServerError


class HandoverApi:
    """docs/gateway-api.md is its contract."""

    def __init__(self, config: GatewayConfig, handovers: Handovers) -> None:
        self._config = config
        self._handovers = handovers

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        app.router.add_post("/handover", self.start)
        app.router.add_get("/handover", self.show)
        app.router.add_delete("/handover", self.cancel)

    async def start(self, request: web.Request) -> web.Response:
        """Begin, or answer why not; then no call has been touched."""
        try:
            agent = answers.agent_of(request, self._config)
            wanted = model.parse(await answers.body_of(request))
            begun = await self._handovers.start(agent, wanted)
        except LookupError as error:
            return answers.mistake(str(error), 404)
        except ValueError as error:
            return answers.mistake(f"handover: {error}")
        except Refused as error:
            return answers.mistake(f"handover: {error}", error.status, reason=error.reason)
        except ServerError as error:
            return answers.mistake(f"handover: the server does not answer: {error}", 502)
        return web.json_response(begun.describe())

    async def show(self, _request: web.Request) -> web.Response:
        """The last one: its phase, its rooms, and how many are in which state."""
        return web.json_response(self._handovers.describe())

    async def cancel(self, _request: web.Request) -> web.Response:
        """No further room is begun."""
        return web.json_response(self._handovers.cancel())
