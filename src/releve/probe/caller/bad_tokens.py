"""Tokens that the server must refuse: forged, expired, without a grant, or for another room."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from releve.keys import Keys
from releve.probe.caller.floor import NOBODY
from releve.probe.caller.join import Server, ServerError, first_answer, join_token


@dataclass(frozen=True, slots=True)
class TokenResult:
    """The result of a bad token: `right` if the server gave no access that it must not give."""

    token: str
    right: bool
    said: str


async def try_bad_tokens(server: Server) -> list[TokenResult]:
    """Try each of the bad tokens; takes about a second. A server that is down refuses none."""
    server = replace(server, agent_name=NOBODY)
    forged = replace(server, keys=Keys(server.keys.api_key, secrets.token_hex(24)))
    room_name = server.new_room("refused")
    tokens = {
        "a token signed with another secret": join_token(forged, room_name, "caller"),
        # Servers forgive a minute, for clocks that differ.
        "an expired token": join_token(server, room_name, "caller", timedelta(hours=-1)),
        "a token without leave to join": join_token(server, room_name, "caller", join=False),
    }
    came = [await _try(server.url, what, token) for what, token in tokens.items()]
    return [*came, await _another_room(server, room_name)]


async def _try(url: str, what: str, token: str) -> TokenResult:
    """Without the SDK, which reports another answer of the server for a refused token."""
    try:
        await first_answer(url, token)
    except ServerError as error:
        return TokenResult(what, error.refused, str(error))
    return TokenResult(what, False, "the server let it in")


async def _another_room(server: Server, wanted: str) -> TokenResult:
    """Ask for a room with a token for another one.

    A LiveKit Server goes by the token, and lets the caller into that one: no SDK can ask otherwise.
    """
    what, own = "a token for another room", server.new_room("other")
    try:
        join = await first_answer(server.url, join_token(server, own, "caller"), room=wanted)
    except ServerError as error:
        return TokenResult(what, error.refused, str(error))
    return TokenResult(what, join.room.name == own, f"the server let it into {join.room.name}")
