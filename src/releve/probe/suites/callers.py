"""Many callers at once, each in a room of its own, that send chirps together on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from releve.probe.caller import agent_check
from releve.probe.caller.call import Call
from releve.probe.caller.concurrently import run_all
from releve.probe.caller.join import Server, ServerError
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.host.usage import HostUsage, UsageMeter
from releve.probe.media import echo_search, signal
from releve.probe.media.echo_search import CallAudio
from releve.probe.suites import echo

FRAME_MS = 20
SPARE_SECONDS = 5.0  # of frames beyond a stage's: chirps are late on a busy host


@dataclass(slots=True)
class Stage:
    """The results of `calls` callers together; `asked` chirps should have been `sent`.

    `host`: usage of everything but the probe; `cores_per_call`: cost of the probe itself.
    """

    calls: int
    asked: int
    sent: int = 0
    rtts_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    host: HostUsage | None = None
    cores_per_call: float | None = None


@dataclass(slots=True)
class _Caller:
    call: Call
    agent: str | None = None
    said: int = 0


class Callers:
    """Opens as many calls as asked for, and replaces those with a problem."""

    def __init__(self, server: Server, suite: str, chirps: int) -> None:
        """Each caller says `chirps` at a time; rooms are named after the `suite`."""
        self._server, self._suite, self._chirps = server, suite, chirps
        self._callers: list[_Caller] = []
        self._listens = chirps * echo.CHIRP_GAP + signal.LONGEST_RTT + signal.SETTLE

    async def stage(self, calls: int) -> Stage:
        """Hold so many calls, and measure. Raises ServerError if no call can be opened."""
        failures = await self.hold(calls)
        await asyncio.sleep(echo.SETTLE_SECONDS)
        watch, meter = UsageMeter(), OwnCostMeter()
        heard = await self.say([number / calls for number in range(calls)])
        host, cost = watch.read(), meter.read(calls)["cores_per_call"]
        found = await round_trips(heard)
        return Stage(
            calls,
            calls * self._chirps,
            sum(len(said.chirps) for said in heard),
            [rtt for rtts in found for rtt in rtts],
            failures + self.problems(),
            host,
            cost,
        )

    async def hold(self, calls: int) -> list[str]:
        """Close calls with a problem, open new ones until there are so many. Returns the problems.

        One call after the other, and none after one that went wrong: each makes the agent start a
        process, on a host where people may be talking. Raises ServerError when nobody is let in.
        """
        bad = [each for each in self._callers if agent_check.has_problem(each.call)]
        self._callers = [each for each in self._callers if each not in bad]
        await asyncio.gather(*(each.call.close() for each in bad), return_exceptions=True)
        wrong: str | None = None
        while len(self._callers) < calls and wrong is None:
            try:
                wrong = await self._open()
            except ServerError as error:
                if not self._callers:
                    raise
                wrong = str(error)
        return [] if wrong is None else [wrong]

    async def say(self, phases: Sequence[float], *, answered: bool = False) -> list[CallAudio]:
        """Everybody says the chirps; each begins so great a part of the gap later.

        Then they listen for as long as an echo may take, or until the last is `answered`: to look
        for it is arithmetic for each of them, which would be the load of many.
        """
        pairs = zip(self._callers, phases, strict=False)
        return await run_all(self._converse(*pair, answered) for pair in pairs)

    def problems(self) -> list[str]:
        """What is wrong with the calls that had their agent, as sentences."""
        met = (each for each in self._callers if each.agent is not None)
        problems = (agent_check.problem(each.call, each.said) for each in met)
        return [problem for problem in problems if problem is not None]

    async def close(self) -> None:
        """Every call ends, whatever becomes of the others."""
        await asyncio.gather(*(each.call.close() for each in self._callers), return_exceptions=True)
        self._callers.clear()

    async def _open(self) -> str | None:
        """One more call; what went wrong once it was let in. Raises ServerError when it was not."""
        room, keep = self._server.new_room(self._suite), self._listens + SPARE_SECONDS
        call = Call(self._server, room, frame_ms=FRAME_MS, keep_seconds=keep)
        caller = _Caller(call)
        self._callers.append(caller)
        try:
            await call.open()
        except ServerError:
            self._callers.remove(caller)
            await call.close()
            raise
        caller.agent, problem = await agent_check.agent(call)
        return problem

    async def _converse(self, caller: _Caller, phase: float, answered: bool) -> CallAudio:
        """Say the chirps, a part of the gap later than the others, and listen to the last's end."""
        call, said = caller.call, CallAudio(caller.call.bed_hertz)
        since = time.monotonic()
        await call.wait(partial(agent_check.has_problem, call), phase * echo.CHIRP_GAP)
        for _ in range(self._chirps):
            if agent_check.has_problem(call):
                break
            said.chirps.append(await call.say(caller.said))
            caller.said += 1
            pause = said.chirps[-1][1] + echo.CHIRP_GAP - time.monotonic()
            await call.wait(partial(agent_check.has_problem, call), pause)
        if answered and caller.agent is not None and said.chirps:
            await echo.answered(call, caller.agent, *said.chirps[-1])
        else:
            await call.wait(
                partial(agent_check.has_problem, call), signal.LONGEST_RTT + signal.SETTLE
            )
        said.until = time.monotonic()
        sinks = (sink for who, sink in call.sinks if who == caller.agent)
        said.heard = [frame for sink in sinks for frame in sink.frames() if frame[0] >= since]
        return said


async def round_trips(heard: Sequence[CallAudio]) -> list[list[float]]:
    """Each caller's round trips, in milliseconds: found one caller after the other.

    Called when the calls have been measured: the arithmetic must not be their load.
    """
    found = [
        await asyncio.to_thread(echo_search.analyse, said, signal.LONGEST_RTT) for said in heard
    ]
    return [each.rtts_ms for each in found]
