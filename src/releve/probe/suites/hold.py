"""The hold suite: sentinels and arrivals. Their record proves that no call was dropped.

A sentinel is a call held from start to end, in which the caller's bed tone always comes back. When
it is dropped a new one takes its place, so later steps are watched, too. An arrival is a new room,
watched for exactly one agent. Before the first of them the sentinels are alone for a while: that
time is the baseline of the run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal as signals
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from releve.probe.caller import health
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server, ServerError
from releve.probe.caller.listener import KEEP_SECONDS, Listener, Tick
from releve.probe.caller.state_changes import Changes, unless
from releve.probe.host import capacity
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement.progress_line import ProgressLine
from releve.probe.judgement.record import Recorder
from releve.probe.suites.arrivals import Arrivals

log = logging.getLogger(__name__)

AGENT_SECONDS = 10.0  # from opening a room until it counts as without agent
TICK_SECONDS = 1.0
RETRY_SECONDS = 1.0
READY_SECONDS = 40.0  # until every sentinel has its echo; a busy host starts processes late
PROGRESS_SECONDS = 20.0
ALIVE_SECONDS = 5.0  # between signs in the record that the suite runs
SIZE_SECONDS = 1.5  # of looking at the host, without our call and with it
STOP_SECONDS = 6.0  # within the ten a container gets between SIGTERM and SIGKILL
RECEIVE_FRAME_MS, MIC_MS = 20, 100  # long frames cost less CPU


@dataclass(frozen=True, slots=True)
class Plan:
    """How many calls to hold, seconds between arrivals and how long each lives, when to end.

    calls: None holds as many as the host carries, one to three. every: without it there are no
    arrivals. before_seconds: how long the calls are alone before the first. moments: a file; each
    new id in it opens rooms in a burst.
    """

    calls: int | None
    every: float | None
    arrival_seconds: float
    max_seconds: float
    before_seconds: float = 0.0
    moments: Path | None = None


async def run(server: Server, record: Path, plan: Plan, tell: Callable[[str], None]) -> None:
    """Hold until SIGTERM, SIGINT or `plan.max_seconds`; then close every call and return.

    `tell` is called every PROGRESS_SECONDS with a progress line.

    Raises ServerError when the very first calls are not let in (a wrong key or address), and
    OSError when the record cannot be opened. Later failures are written down, never raised.
    """
    with Recorder(record) as recorder:
        await _Hold(server, recorder, plan, tell).run()


class _Hold:
    def __init__(
        self, server: Server, recorder: Recorder, plan: Plan, tell: Callable[[str], None]
    ) -> None:
        self._server, self._recorder, self._plan, self._tell = server, recorder, plan, tell
        self._progress = ProgressLine()
        self._listeners = [Listener() for _ in range(1 if plan.calls is None else plan.calls)]
        self._calls: set[Call] = set()
        self._stopping = asyncio.Event()
        self._heard = Changes()
        self._sized = plan.calls is not None
        self._ready = False
        self._ever_in = False
        self._refused: ServerError | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signals.SIGTERM, signals.SIGINT):
            loop.add_signal_handler(number, self._stop)
        timer = loop.call_later(self._plan.max_seconds, self._stop)
        self._write("started", calls=self._plan.calls, every=self._plan.every)
        background = [
            asyncio.create_task(each) for each in (self._report_progress(), self._alive())
        ]
        idle = await self._idle_cores()
        tasks = {asyncio.create_task(self._sentinel(listener)) for listener in self._listeners}
        if idle is not None:
            await self._size(idle, tasks)
        self._record_ready()
        if self._plan.every is None:
            await self._stopping.wait()
        else:
            await self._heard.until(lambda: self._ready or self._stopping.is_set(), READY_SECONDS)
            alone = capacity.CpuMeter()
            await unless(self._stopping, self._plan.before_seconds)
            if self._ready:
                busy = alone.share() if self._plan.before_seconds else 0.0
                self._write("before_over", busy_share=busy)
            opening = Arrivals(
                self._plan.every, self._plan.moments, self._arrival, self._stopping, self._write
            )
            await opening.run(tasks)
        timer.cancel()
        for each in background:
            each.cancel()
        await _end(tasks)
        if self._refused is not None:
            raise self._refused

    async def _idle_cores(self) -> float | None:
        """How many cores are busy without us, where that decides how many calls are held."""
        if self._sized:
            return None
        busy = capacity.CpuMeter()
        await unless(self._stopping, SIZE_SECONDS)
        return busy.cores()

    async def _size(self, idle: float, tasks: set[asyncio.Task[None]]) -> None:
        """Hold as many calls as the host carries, by what the first one takes."""
        heard = lambda: self._listeners[0].echo_heard or self._stopping.is_set()  # noqa: E731
        if await self._heard.until(heard, AGENT_SECONDS):
            await unless(self._stopping, SIZE_SECONDS)  # the agent's process has started by then
            busy, meter = capacity.CpuMeter(), OwnCostMeter()
            await unless(self._stopping, SIZE_SECONDS)
            own = meter.read(1)["cores_per_call"] or 0.0
            sized = capacity.held_calls(os.cpu_count() or 1, idle, busy.cores(), own)
            self._write("sized", **asdict(sized))
            more = [Listener() for _ in range(sized.calls - 1)]
            self._listeners += more
            tasks |= {asyncio.create_task(self._sentinel(listener)) for listener in more}
        self._sized = True

    async def _report_progress(self) -> None:
        """Runs until it is cancelled."""
        since, of = time.monotonic(), self._plan.max_seconds if self._plan.every is None else None
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._tell(self._progress.line(time.monotonic() - since, of))

    async def _alive(self) -> None:
        """Record that the suite runs, until cancelled; a record that stops is a failure."""
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            self._write("alive")

    def _write(self, event: str, **fields: object) -> None:
        self._recorder.write(event, **fields)
        self._progress.add(event, fields)

    def _stop(self) -> None:
        self._stopping.set()
        self._heard.set()
        for call in self._calls:
            call.wake()

    async def _sentinel(self, listener: Listener) -> None:
        """One caller; opens a new call when one is dropped."""
        while not self._stopping.is_set():
            call = self._new_call("held")
            if not await self._run_call(call, partial(self._hold, call, listener), listener):
                await unless(self._stopping, RETRY_SECONDS)

    async def _arrival(self) -> None:
        call = self._new_call("arrival")
        await self._run_call(call, partial(self._watch, call))

    def _new_call(self, kind: str) -> Call:
        room = self._server.new_room(kind)
        tell = partial(self._write, call=room)
        return Call(
            self._server,
            room,
            frame_ms=RECEIVE_FRAME_MS,
            mic_ms=MIC_MS,
            keep_seconds=KEEP_SECONDS,
            tell=tell,
        )

    async def _run_call(
        self,
        call: Call,
        scenario: Callable[[], Awaitable[str | None]],
        listener: Listener | None = None,
    ) -> bool:
        """One call from opening to closing; its `scenario` returns why it was dropped, or None.

        With a `listener` it is a held call, which talks; without, an arrival.

        Returns False if the call could not be opened. No error of a call ends the suite.
        """
        kind = "arrival" if listener is None else "held"
        self._write("open", call=call.room_name, kind=kind)
        self._calls.add(call)
        why: str | None = None
        let_in = False
        try:
            await call.open(talk=listener is not None)
            let_in = self._ever_in = True
            why = await scenario()
        except ServerError as error:
            why = f"not let in: {error}"
            if not self._ever_in:
                self._refused = error
                self._stop()
        except Exception as error:
            log.exception("call %s", call.room_name)
            why = f"the probe itself failed: {error!r}"
        finally:
            if why is not None:
                self._write("dropped", call=call.room_name, why=why)
            self._calls.discard(call)
            if self._stopping.is_set() and listener is not None:
                for ms in listener.end():
                    self._write("silence", call=call.room_name, ms=ms)
            await self._close(call)
            if why is None:
                self._write("closed", call=call.room_name)
        return let_in

    async def _close(self, call: Call) -> None:
        try:
            await call.close()
        except Exception:  # what cannot be closed is lost to us, not to the other calls
            log.exception("closing %s", call.room_name)

    async def _hold(self, call: Call, listener: Listener) -> str | None:
        if not await self._wait_for_agent(call):
            return call.lost
        listener.start_call()
        while not self._stopping.is_set():
            if why := health.dropped(call) or health.no_echo(call, listener):
                return why
            self._record_tick(call, await listener.tick(call))
            await self._until_dropped(call, TICK_SECONDS)
        self._record_tick(call, await listener.collect(call))
        return None

    async def _watch(self, call: Call) -> str | None:
        if not await self._wait_for_agent(call):
            return call.lost
        until = call.opened + self._plan.arrival_seconds
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            if why := health.dropped(call):
                return why
            await self._until_dropped(call, min(left, TICK_SECONDS))
        return None

    async def _wait_for_agent(self, call: Call) -> bool:
        """Wait for an agent with audio; writes "no_agent" when the time for it is over."""
        left = call.opened + AGENT_SECONDS - time.monotonic()
        over = lambda: bool(call.audible or call.lost or self._stopping.is_set())  # noqa: E731
        if not await call.wait(over, left):
            self._write("no_agent", call=call.room_name)
        return bool(call.audible)

    async def _until_dropped(self, call: Call, seconds: float) -> None:
        over = lambda: self._stopping.is_set() or health.dropped(call) is not None  # noqa: E731
        await call.wait(over, seconds)

    def _record_tick(self, call: Call, heard: Tick) -> None:
        if heard.said:
            said_at = round(heard.said_at, 3)
            self._write("rtt", call=call.room_name, ms=heard.rtts_ms, said=heard.said, at=said_at)
        for ms in heard.silences_ms:
            self._write("silence", call=call.room_name, ms=ms)
        self._record_ready()

    def _record_ready(self) -> None:
        self._heard.set()
        heard = all(listener.echo_heard for listener in self._listeners)
        if self._sized and heard and not self._ready:
            self._ready = True
            self._write("ready")


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Wait until the calls are closed, and cancel those that take too long."""
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
