"""WebRTC's jitter buffer, watched in a caller and, as this needs the SDK alone, in an agent."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TextIO

from livekit import rtc


async def watch(track: rtc.Track, out: TextIO) -> None:
    """Each second a line: how long sound waits in the buffer, and how long WebRTC wants it to."""
    before = (0.0, 0.0, 0)
    while True:
        await asyncio.sleep(1)
        for entry in await track.get_stats():
            if entry.WhichOneof("stats") == "inbound_rtp":
                heard = entry.inbound_rtp.inbound
                waited, wanted = heard.jitter_buffer_delay, heard.jitter_buffer_target_delay
                now = (waited, wanted, heard.jitter_buffer_emitted_count)
                if samples := now[2] - before[2]:
                    each = [round((now[i] - before[i]) / samples * 1000, 1) for i in (0, 1)]
                    line = {"t": time.monotonic(), "buffer_ms": each[0], "target_ms": each[1]}
                    out.write(json.dumps(line) + "\n")
                    out.flush()
                before = now
