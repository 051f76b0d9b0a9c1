"""Thousands of workers are asked one by one whether they live, not all at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from unit.gateway_running import Running
from unit.gateway_standin import registered


async def test_heartbeats_of_workers_are_not_rounded_to_the_same_second(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    due: list[float] = []
    call_at = loop.call_at

    def noting(when: float, callback: Any, *args: Any, **more: Any) -> asyncio.TimerHandle:
        if callback.__qualname__ == "WebSocketResponse._send_heartbeat":
            due.append(when)
        return call_at(when, callback, *args, **more)

    monkeypatch.setattr(loop, "call_at", noting)
    async with registered(gateway.workers, gateway.blue), registered(gateway.workers, gateway.blue):
        pass
    assert len(due) == 2
    assert all(when % 1 for when in due)
