"""The read-only page in a real browser: what the gateway does, live, and nothing more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from livekit.protocol import models

from releve.browser import CHROMIUM, browsing
from releve.gateway.upkeep import drain
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, registered, until

CALLER = models.ParticipantInfo(identity="caller-7")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
async def test_the_page_shows_what_happens_without_being_asked_again(
    gateway: Running,
    server: StandInServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)
    url = f"http://127.0.0.1:{gateway.config.metrics_port}/"
    evil = "<img src=x onerror=alert(1)>"
    async with (
        registered(gateway.workers, gateway.blue, version="0.7.2") as blue,
        registered(gateway.workers, gateway.green, version="1.1.3"),
        browsing(url, tmp_path) as tab,
    ):
        await tab.until("document.querySelector('#live').textContent === 'live'")
        assert await tab.js("document.querySelectorAll('#workers tr').length") == 2
        assert await server.dispatch("lesson-12")
        await gateway.weights(70)
        await tab.until("document.querySelector('.green .weight').textContent === '70 %'")
        await gateway.cordon("green")
        await tab.until("document.querySelector('section.green').innerText.includes('drained')")
        assert "0.7.2" in await tab.js("document.querySelector('#workers').innerText")
        decided = "document.querySelector('#decisions').innerText"
        otherwise = {"weights": {"blue": 100, "green": 0}}
        await gateway.decide(
            weights={"blue": 75, "green": 25},
            cordons={"green": False},
            by="rollout 7",
            why="step 2 of 4",
            lease_seconds=3600,
            otherwise=otherwise,
            lists={"green": ["lesson-7"]},
        )
        await tab.until(f"{decided}.includes('step 2 of 4')")
        told = await tab.js(decided)
        assert "by rollout 7: step 2 of 4; lease of 3600 s, " in told
        assert "then blue 100 %, green 0 %; 1 listed for green" in told
        await tab.js("document.querySelector('#rooms button').click()")
        why = "document.querySelector('#why').innerText"
        await tab.until(f"{why}.includes('lesson-12, default: LiveKit Server has no room')")
        assert "To do: Check the name" in await tab.js(why)
        if picture := os.environ.get("RELEVE_SCREENSHOT"):
            await tab.screenshot(Path(picture))
        await gateway.weights(0)
        assert await server.dispatch(evil)
        await until(lambda: evil in blue.rooms)
        await tab.until(f"document.querySelector('#calls').innerText.includes({evil!r})")
        await tab.js("document.querySelector('#rooms button').click()")
        await tab.until(f"{why}.includes({evil!r})")
        await tab.js("document.body.style.width = '400px'")
        assert await tab.js("document.querySelector('#why').scrollWidth <= 400")
        assert await tab.js("document.images.length") == 0
        mine = [said for said in tab.complaints if "favicon" not in said]
        assert mine == []
        assert await tab.js("document.forms.length + document.links.length") == 0


async def test_the_public_port_gives_nothing_away_and_takes_nothing(
    gateway: Running, server: StandInServer
) -> None:
    base = f"http://127.0.0.1:{gateway.config.metrics_port}"
    for path in ("/state", "/jobs", "/calls"):
        async with gateway.plain.get(base + path) as answer:
            assert answer.status == 404
    server.people = {"room": [CALLER]}
    async with gateway.plain.get(f"{base}/why?room=room") as answer:
        assert answer.status == 200
        assert "caller-7" not in await answer.text()
    async with gateway.plain.put(f"{base}/weights", json={"blue": 0, "green": 100}) as answer:
        assert answer.status == 404
    async with gateway.plain.get(base + "/") as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
