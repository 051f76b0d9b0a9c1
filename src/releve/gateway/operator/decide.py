"""GET and PUT /decisions: the only way to change weights, cordons and fallback."""

from __future__ import annotations

import time

from aiohttp import web

from releve.gateway.config import GatewayConfig
from releve.gateway.decisions import change
from releve.gateway.decisions.epochs import Conflict, Unserved
from releve.gateway.decisions.file import Locked
from releve.gateway.decisions.in_force import Rulebook, described
from releve.gateway.operator import answers


class DecisionsApi:
    """docs/gateway-api.md is its contract."""

    def __init__(self, config: GatewayConfig, rulebook: Rulebook) -> None:
        self._config = config
        self._rulebook = rulebook

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        app.router.add_get("/decisions", self.show)
        app.router.add_put("/decisions", self.decide)

    async def show(self, request: web.Request) -> web.Response:
        """The decision in force, also one that another gateway has written just now."""
        try:
            agent = answers.agent_of(request, self._config)
            await self._rulebook.follow()
        except LookupError as error:
            return answers.mistake(str(error), 404)
        except Locked as error:
            return answers.busy(error)
        return web.json_response(self._rulebook.describe(agent))

    async def decide(self, request: web.Request) -> web.Response:
        """Decide, or answer why not; then nothing has changed."""
        began = time.monotonic()
        try:
            agent = answers.agent_of(request, self._config)
            wanted = change.parse(await answers.body_of(request), self._rulebook.fallback)
            changed = await self._rulebook.decide(agent, wanted)
        except LookupError as error:
            return answers.mistake(str(error), 404)
        except ValueError as error:
            return answers.mistake(f"decisions: {error}")
        except Conflict as error:
            return _conflict(error)
        except Locked as error:
            return answers.busy(error)
        except OSError as error:
            return answers.not_kept(error)
        return web.json_response(
            {
                **self._rulebook.describe(agent),
                "changed": changed,
                "ms": round((time.monotonic() - began) * 1000, 3),
            }
        )


def _conflict(error: Conflict) -> web.Response:
    now = described(error.decision, time.monotonic())
    held = {name: now[name] for name in ("epoch", "by", "why", "decided")}
    text = str(error)
    if isinstance(error, Unserved):
        return answers.mistake(text, 409, reason=error.reason, colours=error.colours, **held)
    if now["decided"]:
        text += f" at {now['decided']}"
    return answers.mistake(text, 409, reason=error.reason, **held)
