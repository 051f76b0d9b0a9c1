"""What operators ask of the controller: status, approve, pause, resume, over a unix socket.

Where no controller answers, the status is read from the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aiohttp import web

from releve import unix_http
from releve.rollout import journal as journals
from releve.rollout.folder import JOURNAL
from releve.rollout.journal import Entry, JournalError
from releve.rollout.notify import sentence
from releve.rollout.plan import Plan, PlanError, parse
from releve.rollout.policy import Wish, left_seconds
from releve.rollout.state import State, fold
from releve.unix_http import Unanswered

SOCKET = "control.sock"
ANSWER_SECONDS = 5.0
WISHES: tuple[Wish, ...] = ("approve", "pause", "resume")
WAITS = {"approval": "an approval", "waiting": "a person", "holding": "a gate's answer"}


class Refused(Exception):
    """What was asked for cannot be; the text says why."""


class Operator:
    """Serves the socket, mode 0600, in the state folder."""

    def __init__(
        self, folder: Path, status: Callable[[], dict[str, Any]], ask: Callable[[Wish, str], None]
    ) -> None:
        """`ask` does what somebody wishes, or raises Refused."""
        self._path = folder / SOCKET
        self._status = status
        self._ask = ask
        app = web.Application(client_max_size=4096)
        app.router.add_get("/status", self._tell)
        for wish in WISHES:
            app.router.add_post(f"/{wish}", self._wish)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)

    async def open(self) -> None:
        """Raises OSError."""
        self._path.unlink(missing_ok=True)
        await self._runner.setup()
        before = os.umask(0o177)  # not chmod afterwards: there would be a moment in between
        try:
            await web.UnixSite(self._runner, str(self._path)).start()
        finally:
            os.umask(before)

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _tell(self, _request: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _wish(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        by = body.get("by") if isinstance(body, dict) else None
        if not isinstance(by, str) or not by.isprintable() or not 0 < len(by) <= 120:
            text = 'send {"by": "…"}: who asks, 1 to 120 printable characters'
            return web.json_response({"error": text}, status=400)
        wish = next(wish for wish in WISHES if request.path == f"/{wish}")
        try:
            self._ask(wish, by)
        except Refused as error:
            return web.json_response({"error": str(error)}, status=409)
        return web.json_response(self._status())


def describe(
    plan: Plan, state: State, entries: Iterable[Entry], now: float | None
) -> dict[str, Any]:
    """The status: what the journal says. `now`: monotonic, None where nobody watches."""
    verdict = state.verdict or ("waiting" if state.phase == "waiting" else None)
    weight = 0 if state.phase == "going_back" or verdict == "rolled_back" else state.weight
    return {
        "id": plan.id,
        "stack": plan.stack,
        "agent": plan.agent,
        "from": plan.from_,
        "to": plan.to,
        "phase": state.phase,
        "verdict": verdict,
        "reason": state.reason,
        "step": state.step,
        "steps": len(plan.schedule),
        "weights": None if verdict == "superseded" else plan.weights(weight),
        "left_seconds": None if now is None else left_seconds(plan, state, now),
        "waits_for": "`releve rollout resume`" if state.paused else WAITS.get(state.phase),
        "paused": state.paused,
        "epoch": state.epoch,
        "controller": now is not None,
        "journal": [
            {"at": entry.at, "t": entry.t, "event": entry.event, "text": sentence(plan, entry)}
            | {name: value for name, value in entry.facts.items() if name != "plan"}
            for entry in entries
        ],
    }


async def status(folder: Path) -> dict[str, Any]:
    """From the controller, or where none answers from its journal. Raises Refused."""
    try:
        code, content = await _ask(folder, "GET", "/status")
    except Unanswered:
        return from_journal(folder)
    if code != 200:
        raise Refused(str(content))
    return dict(content)


def from_journal(folder: Path) -> dict[str, Any]:
    """What the journal alone says. Raises Refused."""
    path = folder / JOURNAL
    try:
        entries = journals.read(path)
        if not entries:
            raise Refused(f"{path} is empty: no rollout has begun")
        plan = parse(entries[0].facts.get("plan"))
    except OSError as error:
        raise Refused(
            f"{path}: {error.strerror}; no rollout has begun there, or you may not read it"
        ) from error
    except (JournalError, PlanError) as error:
        raise Refused(str(error)) from error
    return describe(plan, fold(entries), entries, None)


async def wish(folder: Path, what: Wish, by: str) -> dict[str, Any]:
    """Ask the controller for it; returns the status afterwards. Raises Refused."""
    try:
        code, content = await _ask(folder, "POST", f"/{what}", {"by": by})
    except Unanswered as error:
        raise Refused(
            f"no controller answers at {folder / SOCKET} ({error}); does its container run?"
        ) from error
    if code != 200:
        raise Refused(content["error"])
    return dict(content)


async def _ask(folder: Path, method: str, path: str, body: object = None) -> tuple[int, Any]:
    return await unix_http.ask(folder / SOCKET, method, path, body, seconds=ANSWER_SECONDS)
