"""Questions to an agent's own interpreter. The file's text is run there, so it imports nothing of
ours.

Started as `python -c <this file> <question> <JSON>`; prints JSON. It needs what the agent has:
Python 3.9 and, where the server is asked, aiohttp and livekit-api.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

URL, KEY, SECRET = "LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"
SECONDS = 10.0


def packages(_: dict[str, Any]) -> dict[str, Any]:
    """LiveKit's packages and their versions, Python's, and where it lies."""
    found = {"python": platform.python_version(), "executable": sys.executable}
    for each in importlib.metadata.distributions():
        name = (each.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith("livekit"):
            found.setdefault(name, each.version)
    return found


def files(given: dict[str, Any]) -> list[Path]:
    """Where a program of this script and folder finds its `.env`, nearest first."""
    folder = Path(given["folder"])
    script = folder / given["script"] if given.get("script") else None
    places = [folder, *([script.parent, *script.parent.parents] if script else [])]
    return [place / name for place in dict.fromkeys(places) for name in (".env.local", ".env")]


def read(given: dict[str, Any]) -> tuple[str | None, dict[str, str]]:
    """The nearest `.env` that names LIVEKIT_URL or the key, and all that it sets.

    Only a program that has python-dotenv reads one.
    """
    try:
        dotenv_values = importlib.import_module("dotenv").dotenv_values
    except ImportError:
        return None, {}
    for path in files(given):
        with contextlib.suppress(OSError):
            found = {name: value or "" for name, value in dotenv_values(path).items()}
            if URL in found or KEY in found:
                return str(path), found
    return None, {}


def dotenv(given: dict[str, Any]) -> dict[str, Any]:
    """That file, the names in it, and the URL; no other value."""
    path, found = read(given)
    names = sorted(name for name in found if name.startswith("LIVEKIT_"))
    return {"path": path, "names": names, "url": found.get(URL)}


def keys(given: dict[str, Any]) -> list[str] | None:
    """API key and secret, as the program has them: for a keys file, and for nothing else."""
    found = read(given)[1] | os.environ
    pair = [found.get(KEY) or "", found.get(SECRET) or ""]
    return pair if all(pair) else None


def version(given: dict[str, Any]) -> dict[str, Any] | None:
    """What the server says to a worker that registers: its version and node.

    It registers under a name that nobody asks for, and is gone at once: it gets no job.
    """
    pair, url = keys(given), given["url"]
    return asyncio.run(_join(url, pair)) if pair else None


def rooms(given: dict[str, Any]) -> list[dict[str, str]] | None:
    """Everybody in every room, as the server lists them: room, identity, kind."""
    pair = keys(given)
    return asyncio.run(_list(given["url"], pair)) if pair else None


async def _join(url: str, pair: list[str]) -> dict[str, Any]:
    wanted = {"register": {"type": "JT_ROOM", "agent_name": "releve-discover", "version": "0"}}
    async with (
        _session() as session,
        session.ws_connect(_at(url, "ws", "/agent"), headers=_signed(pair, agent=True)) as socket,
    ):
        await socket.send_str(json.dumps(wanted))
        answer = json.loads(await socket.receive_str(timeout=SECONDS))
        info = (answer.get("register") or {}).get("serverInfo") or {}
        return {"version": info.get("version"), "node": info.get("nodeId")}


async def _list(url: str, pair: list[str]) -> list[dict[str, str]]:
    async with _session() as session:

        async def ask(verb: str, body: dict[str, str], **grants: Any) -> dict[str, Any]:
            where = _at(url, "http", f"/twirp/livekit.RoomService/{verb}")
            async with session.post(where, json=body, headers=_signed(pair, **grants)) as answer:
                answer.raise_for_status()
                return dict(await answer.json())

        found = []
        for room in (await ask("ListRooms", {}, room_list=True)).get("rooms", ()):
            name = room["name"]
            there = await ask("ListParticipants", {"room": name}, room_admin=True, room=name)
            for who in there.get("participants", ()):
                kind = who.get("kind", "STANDARD")
                found.append({"room": name, "identity": who["identity"], "kind": kind})
        return found


def _session() -> Any:
    import aiohttp

    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS))


def _at(url: str, scheme: str, path: str) -> str:
    """A path of the server's, by ws or http, with TLS where the URL has it."""
    had, _, where = url.partition("://")
    return f"{scheme}{'s' if had in ('wss', 'https') else ''}://{where.rstrip('/')}{path}"


def _signed(pair: list[str], **grants: Any) -> dict[str, str]:
    from livekit import api

    token = api.AccessToken(*pair).with_grants(api.VideoGrants(**grants)).to_jwt()
    return {"Authorization": f"Bearer {token}"}


QUESTIONS = {each.__name__: each for each in (packages, dotenv, keys, version, rooms)}

if __name__ == "__main__":
    json.dump(QUESTIONS[sys.argv[1]](json.loads(sys.argv[2])), sys.stdout)
