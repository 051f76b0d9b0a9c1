"""`releve probe app` against a real server and real agents, spoken by hand and in a browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from integration.harness import CACHE, ROOT, Faulty, LiveKit, locked
from integration.test_probe import RELEVE, StartAgent
from releve.browser import CHROMIUM

# Busy machines are slow; that the verdict follows from the figure is tested without them.
LIMITS = ("agent_audio_s_max=30", "rtt_p95_ms_max=2500", "valid_fraction_min=0.5", "tries_max=3")
LOOSE = [word for limit in LIMITS for word in ("--limit", limit)]


def probe_app(server: LiveKit, *more: str) -> subprocess.CompletedProcess[str]:
    command = [RELEVE, "probe", "app", "--url", server.url, "--name", "app"]
    command += ["--keys-file", str(server.keys_file), "--colour", "green", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="session")
def livekit_client() -> Path:
    """livekit-client as the browser's image has it."""
    into = CACHE / "browser"
    download = ROOT / "roles" / "images" / "files" / "download-npm"
    with locked("livekit-client"):
        subprocess.run([download, ROOT / "images" / "browser", into], check=True)
    return into / "node_modules" / "livekit-client" / "dist" / "livekit-client.umd.js"


def test_the_app_works_with_green(livekit_server: LiveKit, start_agent: StartAgent) -> None:
    start_agent("green")
    done = probe_app(livekit_server, *LOOSE)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    (call,) = probe["calls"]
    assert probe["valid"] >= 5
    assert call["tries"] == 1
    assert call["differences"] == []
    assert call["answers"]["join"] == call["answers"]["track_published"] == 1
    assert call["answers"]["pong"] >= 1
    assert len(probe["texts"]) == 5
    assert "eyJ" not in done.stdout
    print(probe["rtt_ms"], probe["cost"])


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_browser_works_with_green(
    livekit_server: LiveKit, start_agent: StartAgent, livekit_client: Path
) -> None:
    start_agent("green")
    done = probe_app(livekit_server, "--browser", str(livekit_client), *LOOSE)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert probe["valid"] >= 5
    assert probe["rtt_ms"]["p50"] > 20
    assert len(probe["texts"]) == 5
    assert "rtt_p95_ms_max" in probe["gate"]
    print(probe["rtt_ms"], probe["cost"])


def test_an_agent_the_app_would_not_find_fails_the_probe(faulty: Faulty) -> None:
    done = probe_app(faulty.be("none", IDENTITY="coach"), "--chirps", "4")
    assert done.returncode == 1
    assert "the app would not find agent coach" in done.stderr
