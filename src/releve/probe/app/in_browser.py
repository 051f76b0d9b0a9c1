"""The app suite in a real browser: headless Chromium, livekit-client, a microphone from a file.

Chirps of the call's own seed loop through the fake microphone. The page records microphone and
agent side by side on one clock and sends both here; a round trip is from the one to the other.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from releve.browser import BrowserError, Tab, browsing
from releve.probe.app.peer import TEXT_SECONDS, Way, exchange
from releve.probe.app.suite import AppCall, probe_object
from releve.probe.caller.agent_check import AGENT_SECONDS
from releve.probe.caller.call import not_found_by_app
from releve.probe.caller.floor import NOBODY
from releve.probe.caller.join import Server, ServerError, join_token, make_room, refusal
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement.gates import Gate
from releve.probe.media import echo_search, signal
from releve.probe.media.echo_search import CallAudio
from releve.probe.suites.echo import SETTLE_SECONDS

GAP = 0.36  # seconds from chirp to chirp: whole frames, so that the bed goes on through the loop
BLOCK = 4800  # samples; as recorder.js has it
PAGE = Path(__file__).parent / "page"
ANSWER_SECONDS = 90.0  # three tries of joining, at the SDK's own patience
OPTIONS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-dev-shm-usage",
    "--no-first-run",
)


@dataclass(frozen=True, slots=True)
class _Page:
    """The page in its tab, and what it sends."""

    tab: Tab
    recordings: asyncio.Queue[bytes]

    async def ask(self, method: str, *arguments: object) -> Any:
        """Call `app.<method>` in the page. Raises BrowserError."""
        return await self.tab.js(f"app.{method}({', '.join(map(json.dumps, arguments))})")


async def run(
    server: Server, name: str, colour: str, judges: Sequence[Gate], *, chirps: int, library: Path
) -> dict[str, Any]:
    """Measure, and return the probe object of report.json.

    `library` is livekit-client's UMD file. Raises ServerError, BrowserError, OSError.
    """
    meter, room_name = OwnCostMeter(), server.new_room("browser")
    voice = voice_of(room_name, chirps)
    async with _page(voice, library.read_bytes()) as page:  # noqa: ASYNC240
        result = await _call(page, server, room_name, chirps)
        nobody = replace(server, agent_name=NOBODY)
        texts = await exchange(nobody, lambda room: _Reader(page, nobody, room))
        texts.differences += [said for said in page.tab.complaints if "exceptionDetails" in said]
    probe = probe_object(name, colour, result, texts, judges, asked=chirps)
    return probe | {"cost": meter.read(1)}


def voice_of(room_name: str, chirps: int) -> signal.Samples:
    """One period of the looped microphone file: the bed tone, and every chirp once."""
    gap = round(GAP * signal.RATE)
    voice = signal.bed(signal.bed_hertz(signal.seed(room_name)), 0, chirps * gap)
    for number in range(chirps):
        chirp = signal.chirp(signal.seed(room_name, number))
        voice[number * gap : number * gap + len(chirp)] += chirp
    return voice


def heard_in(recording: bytes, room_name: str, chirps: int) -> CallAudio:
    """The page's recording: when each chirp was sent, and the audio received, on one clock."""
    blocks = np.frombuffer(recording, np.float32).reshape(-1, 2, BLOCK)
    mine, theirs = (blocks[:, side].reshape(-1) for side in (0, 1))
    said = CallAudio(signal.bed_hertz(signal.seed(room_name)), until=len(mine) / signal.RATE)
    turn = mine[: round((chirps * GAP + signal.CHIRP_SECONDS) * signal.RATE)]
    for number in range(chirps):
        chirp = signal.chirp(signal.seed(room_name, number))
        if (match := signal.find(chirp, turn)) is not None:
            said.chirps.append((chirp, match.index / signal.RATE))
    frame = signal.BED_BLOCK
    pcm = signal.pcm(theirs)
    said.heard = [(k / signal.RATE, pcm[k : k + frame]) for k in range(0, len(pcm), frame)]
    return said


async def _call(page: _Page, server: Server, room_name: str, chirps: int) -> AppCall:
    result = AppCall(room_name)
    await make_room(server, room_name)
    token = join_token(server, room_name, f"caller-{secrets.token_hex(4)}")
    try:
        joined = await page.ask("join", server.url, token)
    except BrowserError as error:
        raise refusal(server.url, str(error)) from None
    result.join_s, result.tries = round(joined["join_s"], 3), joined["tries"]
    await page.ask("publish")
    state = await page.ask("meet", AGENT_SECONDS)
    result.failure = _problem(state, room_name)
    if state["agents"]:
        result.agent = state["agents"][0]
    if result.failure is None:
        result.agent_audio_s = round(state["audio_s"], 3)
        await asyncio.sleep(SETTLE_SECONDS)
        seconds = chirps * GAP + signal.CHIRP_SECONDS + signal.LONGEST_RTT
        result.failure = _problem(await page.ask("record", seconds), room_name)
        recording = page.recordings.get_nowait()
        said = await asyncio.to_thread(heard_in, recording, room_name, chirps)
        result.sent = len(said.chirps)
        result.echoes = await asyncio.to_thread(echo_search.analyse, said, signal.LONGEST_RTT)
    await page.ask("leave")
    return result


def _problem(state: dict[str, Any], room: str) -> str | None:
    if state["lost"]:
        return f"connection to {room} lost: {state['lost']}"
    if not state["agents"]:
        return (
            not_found_by_app(state["others"][0], room) if state["others"] else f"no agent in {room}"
        )
    agent = state["agents"][0]
    if len(state["agents"]) > 1:
        return f"{len(state['agents'])} agents in {room}, exactly one is wanted"
    if state["played"] is None:
        return f"{agent} came without audio within {AGENT_SECONDS:.0f} s of {room}"
    if state["played"] != agent:
        return f"the app would play {state['played']}, not {agent}"
    return None


class _Reader:
    """Reads and writes texts with the page."""

    def __init__(self, page: _Page, server: Server, room_name: str) -> None:
        self.identity = "caller-text"
        self.differences: list[str] = []
        self._page, self._server, self._room_name = page, server, room_name

    async def open(self) -> None:
        token = join_token(self._server, self._room_name, self.identity)
        try:
            await self._page.ask("join", self._server.url, token)
            await self._page.ask("publish")  # as in the app, whose microphone is on when it writes
        except BrowserError as error:
            raise ServerError(str(error)) from None

    async def send(self, text: str) -> None:
        await self._page.ask("say", text)

    async def arrived(self, count: int) -> list[Way]:
        texts = await self._page.ask("arrived", count, TEXT_SECONDS)
        return [(text["way"], text["text"]) for text in texts]

    async def close(self) -> None:
        await self._page.ask("leave")


@asynccontextmanager
async def _page(voice: signal.Samples, library: bytes) -> AsyncIterator[_Page]:
    """Serve the page on loopback, and show it in a browser whose microphone says `voice`."""
    recordings: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        recordings.put_nowait(await request.read())
        return web.Response()

    async def livekit_client(_request: web.Request) -> web.Response:
        return web.Response(body=library, content_type="text/javascript")

    site = web.Application(client_max_size=256 * 1024**2)
    site.router.add_get("/livekit-client.js", livekit_client)
    site.router.add_post("/recording", take)
    site.router.add_static("/", PAGE)
    runner = web.AppRunner(site)
    await runner.setup()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        microphone = Path(home) / "microphone.wav"
        _write(microphone, voice)
        listening = web.TCPSite(runner, "127.0.0.1", 0)
        try:
            await listening.start()
            port = runner.addresses[0][1]
            options = (*OPTIONS, f"--use-file-for-fake-audio-capture={microphone}")
            url = f"http://127.0.0.1:{port}/index.html"
            async with browsing(url, Path(home) / "browser", *options) as tab:
                tab.answer_seconds = ANSWER_SECONDS
                await tab.until("typeof app === 'object'")
                yield _Page(tab, recordings)
        finally:
            await runner.cleanup()


def _write(path: Path, voice: signal.Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(signal.RATE)
        file.writeframes(signal.pcm(voice).tobytes())
