"""What the admin API reads of a request, and how it answers what it does not do."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from releve.gateway.config import DEFAULT, GatewayConfig
from releve.gateway.decisions.file import Locked


def mistake(text: str, status: int = 400, **facts: object) -> web.Response:
    """A sentence, and facts for programs."""
    return web.json_response({"error": text, **facts}, status=status)


def not_kept(error: OSError) -> web.Response:
    """The state file cannot be written."""
    return mistake(f"not changed: it cannot be kept on disk: {error}", 500, reason="not_kept")


def busy(error: Locked) -> web.Response:
    """Another gateway holds the state file."""
    answer = mistake(f"not changed: {error}; ask again", 503, reason="busy")
    answer.headers["Retry-After"] = "1"
    return answer


def agent_of(request: web.Request, config: GatewayConfig) -> str:
    """The agent that the request means. Raises LookupError with a sentence."""
    agent = request.query.get("agent", DEFAULT)
    if agent not in config.agents:
        raise LookupError(f"there is no agent {agent!r}; use {' or '.join(config.agents)}")
    return agent


async def body_of(request: web.Request) -> Any:
    """The decoded JSON body. Raises ValueError with a sentence."""
    try:
        return await request.json()
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
