"""The hold suite: sentinels, and arrivals. What happens to them is the proof of zero drop.

A sentinel is a call held from start to end; what its caller does depends on what the agent does:
see held. When it is dropped a new one takes its place, so later steps are watched too. An arrival
is a new room, watched for exactly one agent. Before the first of them the sentinels are alone for a
while: what they hear then is what the rest of the run is compared with.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal as signals
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from releve.probe.caller.call import Call
from releve.probe.caller.join import Server, ServerError
from releve.probe.caller.state_changes import Changes, unless
from releve.probe.host import capacity
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement.harm import LEAST_REPLIES
from releve.probe.judgement.progress_line import ProgressLine
from releve.probe.judgement.record import Recorder
from releve.probe.suites.arrivals import Arrivals
from releve.probe.suites.held.course import Course, News
from releve.probe.suites.held.plan import Plan

log = logging.getLogger(__name__)

AGENT_SECONDS = 10.0  # from opening a room until it counts as without agent
TICK_SECONDS = 1.0
RETRY_SECONDS = 1.0
READY_SECONDS = 40.0  # until every agent has answered; a busy host starts processes late
PROGRESS_SECONDS = 20.0
ALIVE_SECONDS = 5.0  # between signs in the record that the suite runs
SIZE_SECONDS = 1.5  # of looking at the host, without our call and with it
STOP_SECONDS = 6.0  # within the ten a container gets between SIGTERM and SIGKILL


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
        self._replies, self._turns_left = 0, plan.turns
        self._courses = [self._course() for _ in range(1 if plan.calls is None else plan.calls)]
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
        kind = self._plan.manner.kind
        self._write("started", calls=self._plan.calls, every=self._plan.every, agent_kind=kind)
        background = [
            asyncio.create_task(each) for each in (self._report_progress(), self._alive())
        ]
        idle = await self._idle_cores()
        tasks = {asyncio.create_task(self._sentinel(course)) for course in self._courses}
        if idle is not None:
            await self._size(idle, tasks)
        self._record_ready()
        if self._plan.every is None:
            await self._stopping.wait()
        else:
            await self._heard.until(lambda: self._ready or self._stopping.is_set(), READY_SECONDS)
            alone = capacity.CpuMeter()
            await unless(self._stopping, self._plan.before_seconds)
            await self._heard.until(self._compared, READY_SECONDS + 3 * self._plan.manner.every)
            if self._ready:
                busy = alone.share() if self._plan.before_seconds else 0.0
                self._write("before_over", busy_share=busy)
            opening = Arrivals(
                self._plan.every,
                self._plan.moments,
                self._arrival,
                self._stopping,
                self._write,
                self._plan.rooms,
            )
            await opening.run(tasks)
        timer.cancel()
        for each in background:
            each.cancel()
        await _end(tasks)
        if self._refused is not None:
            raise self._refused

    def _compared(self) -> bool:
        """Whether the time before has replies enough to compare those of the run with."""
        talks = self._plan.manner.kind == "talks" and self._ready and self._plan.before_seconds > 0
        return not talks or self._replies >= LEAST_REPLIES or self._stopping.is_set()

    def _course(self) -> Course:
        return self._plan.manner.course(self._may_speak)

    def _may_speak(self) -> bool:
        if self._turns_left is None:
            return True
        self._turns_left -= 1
        if self._turns_left == -1:
            self._write("budget_spent", what="turns")
        return self._turns_left >= 0

    async def _idle_cores(self) -> float | None:
        """How many cores are busy without us, where that decides how many calls are held."""
        if self._sized:
            return None
        busy = capacity.CpuMeter()
        await unless(self._stopping, SIZE_SECONDS)
        return busy.cores()

    async def _size(self, idle: float, tasks: set[asyncio.Task[None]]) -> None:
        """Hold as many calls as the host carries, by what the first one takes."""
        heard = lambda: self._courses[0].established or self._stopping.is_set()  # noqa: E731
        if await self._heard.until(heard, READY_SECONDS):
            await unless(self._stopping, SIZE_SECONDS)  # the agent's process has started by then
            busy, meter = capacity.CpuMeter(), OwnCostMeter()
            await unless(self._stopping, SIZE_SECONDS)
            own = meter.read(1)["cores_per_call"] or 0.0
            cores, share = os.cpu_count() or 1, self._plan.share
            sized = capacity.held_calls(cores, idle, busy.cores(), own, share)
            self._write("sized", **asdict(sized))
            more = [self._course() for _ in range(sized.calls - 1)]
            self._courses += more
            tasks |= {asyncio.create_task(self._sentinel(course)) for course in more}
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
        self._replies += event == "reply"

    def _stop(self) -> None:
        self._stopping.set()
        self._heard.set()
        for call in self._calls:
            call.wake()

    async def _sentinel(self, course: Course) -> None:
        """One caller; opens a new call when one is dropped."""
        while not self._stopping.is_set():
            call = self._new_call("held")
            course.prepare(call)
            if not await self._run_call(call, partial(self._hold, call, course), course):
                await unless(self._stopping, RETRY_SECONDS)

    async def _arrival(self) -> None:
        call = self._new_call("arrival")
        await self._run_call(call, partial(self._watch, call))

    def _new_call(self, kind: str) -> Call:
        room = self._server.new_room(kind)
        return self._plan.manner.call(self._server, room, partial(self._write, call=room))

    async def _run_call(
        self,
        call: Call,
        scenario: Callable[[], Awaitable[str | None]],
        course: Course | None = None,
    ) -> bool:
        """One call from opening to closing; its `scenario` returns why it was dropped, or None.

        With a `course` it is a held call, which publishes audio; without, an arrival.

        Returns False if the call could not be opened. No error of a call ends the suite.
        """
        kind = "arrival" if course is None else "held"
        self._write("open", call=call.room_name, kind=kind)
        self._calls.add(call)
        why: str | None = None
        let_in = False
        try:
            await call.open(talk=course is not None)
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
            if course is not None and self._stopping.is_set():
                self._write_all(call, course.end())
            await self._close(call, course)
            if why is None:
                self._write("closed", call=call.room_name)
        return let_in

    async def _close(self, call: Call, course: Course | None) -> None:
        try:
            if course is not None:
                await course.close_call()
            await call.close()
        except Exception:  # what cannot be closed is lost to us, not to the other calls
            log.exception("closing %s", call.room_name)

    async def _hold(self, call: Call, course: Course) -> str | None:
        if not await self._wait_for_agent(call, course.came):
            return call.lost
        course.begin_call(call)
        while not self._stopping.is_set():
            if why := course.over(call):
                return why
            self._write_all(call, await course.tick(call))
            self._record_ready()
            await self._until_dropped(call, TICK_SECONDS)
        self._write_all(call, await course.last(call))
        return None

    async def _watch(self, call: Call) -> str | None:
        if not await self._wait_for_agent(call, self._plan.manner.arrived):
            return call.lost
        until = call.opened + self._plan.arrival_seconds
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            if why := self._plan.manner.dropped(call):
                return why
            await self._until_dropped(call, min(left, TICK_SECONDS))
        return None

    async def _wait_for_agent(self, call: Call, came: Callable[[Call], bool]) -> bool:
        """Wait until it `came`; writes "no_agent" when the time for it is over."""
        left = call.opened + AGENT_SECONDS - time.monotonic()
        over = lambda: bool(came(call) or call.lost or self._stopping.is_set())  # noqa: E731
        if not await call.wait(over, left):
            self._write("no_agent", call=call.room_name)
        elif came(call) and not call.audible:
            self._write("agent", call=call.room_name, identity=call.seen[-1].identity)
        return came(call)

    async def _until_dropped(self, call: Call, seconds: float) -> None:
        dropped = self._plan.manner.dropped
        over = lambda: self._stopping.is_set() or dropped(call) is not None  # noqa: E731
        await call.wait(over, seconds)

    def _write_all(self, call: Call, news: News) -> None:
        for event, fields in news:
            self._write(event, call=call.room_name, **fields)

    def _record_ready(self) -> None:
        self._heard.set()
        established = all(course.established for course in self._courses)
        if self._sized and established and not self._ready:
            self._ready = True
            self._write("ready")


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Wait until the calls are closed, and cancel those that take too long."""
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
