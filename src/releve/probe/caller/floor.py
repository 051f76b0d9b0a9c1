"""The floor: what a round trip takes from caller to caller, without any agent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from releve.probe.caller.call import Call
from releve.probe.caller.concurrently import run_all
from releve.probe.caller.join import Server
from releve.probe.media import signal
from releve.probe.media.echo_search import Frames

CHIRPS = 10  # each way; measured twice, they are enough for a 95th percentile
CHIRP_GAP = 0.15
SETTLE_SECONDS = 1.2
AUDIBLE_SECONDS = 5.0  # until both hear each other
LAST_SECONDS = 0.6  # for the last chirp to arrive
NOBODY = "releve-nobody"  # an agent name no worker has: the floor's room gets no agent


async def measure(server: Server) -> list[float]:
    """Delays from caller to caller through the server and back, in milliseconds, one a chirp.

    Two callers hear each other, with the same microphone, sink and analysis as a call: what an echo
    takes beyond it is the agent's. (Jitter buffers differ from call to call by 10 ms or so, and
    this one has two, so an agent that adds nothing can come out a little below it.)
    None at all when fewer than half of the chirps were heard in either direction.
    """
    server, room_name = replace(server, agent_name=NOBODY), server.new_room("floor")
    # Named as agents, so that each is what the other listens to.
    pair = [Call(server, room_name, identity=f"floor-agent-{side}") for side in "ab"]
    said: list[list[tuple[signal.Samples, float]]] = [[], []]
    heard: list[Frames] = []
    try:
        await run_all(call.open() for call in pair)
        met = [call.wait(partial(_has_ear, call), AUDIBLE_SECONDS) for call in pair]
        if all(await asyncio.gather(*met)):
            await asyncio.sleep(SETTLE_SECONDS)
            for number in range(CHIRPS):
                both = await run_all(call.say(number) for call in pair)
                for chirps, chirp in zip(said, both, strict=True):
                    chirps.append(chirp)
                await asyncio.sleep(CHIRP_GAP)
            await asyncio.sleep(LAST_SECONDS)
            heard = [call.sinks[0][1].frames() for call in reversed(pair)]
    finally:
        await asyncio.gather(*(call.close() for call in pair))
    return await asyncio.to_thread(there_and_back, said, heard)


def _has_ear(call: Call) -> bool:
    return bool(call.sinks)


def there_and_back(
    said: list[list[tuple[signal.Samples, float]]], heard: list[Frames]
) -> list[float]:
    """The delays of both directions together, in milliseconds, of chirps heard in both: pure.

    `said[k]` are the chirps of one side, `heard[k]` the frames the other side got.
    """
    ways: list[list[float | None]] = []
    for chirps, frames in zip(said, heard, strict=False):
        if frames:
            recording = signal.Recording(frames)
            ways.append([recording.delay(chirp, at, signal.LONGEST_RTT) for chirp, at in chirps])
    pairs = list(zip(*ways, strict=False)) if len(ways) == 2 else []
    sums = [
        1000 * (there + back) for there, back in pairs if there is not None and back is not None
    ]
    return [round(each, 1) for each in sums] if 2 * len(sums) >= len(pairs) else []
