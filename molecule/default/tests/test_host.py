"""What stands on the host after a migration, as its own tools tell it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def inspect(host: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.check_output("docker inspect %s", name))[0]
    return found


@pytest.mark.parametrize(
    "name",
    ["eloquence-gateway", "eloquence-agent-green", "eloquence_agent_1", "eloquence_livekit_1"],
)
def test_everything_that_serves_calls_runs(host: Any, name: str) -> None:
    assert host.docker(name).is_running


@pytest.mark.parametrize("name", ["eloquence-gateway", "eloquence-agent-green"])
def test_what_relève_starts_may_do_little(host: Any, name: str) -> None:
    found = inspect(host, name)
    assert found["Config"]["User"] == "10001:10001"
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in found["HostConfig"]["SecurityOpt"]


@pytest.mark.parametrize("name", ["eloquence-gateway", "eloquence-agent-green"])
def test_no_secret_is_in_what_docker_tells(host: Any, name: str) -> None:
    secret = host.check_output("sed 's/^[^:]*: //' /var/lib/releve/eloquence/keys.yaml").strip('"')
    assert len(secret) >= 32
    assert secret not in json.dumps(inspect(host, name))


def test_secrets_are_in_files_that_only_their_owner_reads(host: Any) -> None:
    assert host.file("/var/lib/releve/eloquence/keys.yaml").mode == 0o600
    assert host.file("/var/lib/releve/eloquence").mode == 0o700
    assert host.file("/var/lib/releve/eloquence/run/admin.sock").is_socket


def test_every_new_room_goes_to_green(host: Any) -> None:
    rules = json.loads(host.file("/var/lib/releve/eloquence/gateway/rules.json").content_string)
    assert rules["agents"]["default"]["weights"] == {"blue": 0, "green": 100}


def test_blue_was_restarted_behind_the_gateway(host: Any) -> None:
    blue = inspect(host, "eloquence_agent_1")
    assert "LIVEKIT_URL=ws://dispatch-gateway:7890" in blue["Config"]["Env"]
    gateway = inspect(host, "eloquence-gateway")
    assert blue["State"]["StartedAt"] > gateway["State"]["StartedAt"]


def test_nobody_who_called_meanwhile_was_dropped_or_alone() -> None:
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "reports")
    reports = [json.loads(found.read_text()) for found in folder.glob("*-migrate-*/report.json")]
    assert len(reports) >= 2  # converge, and what showed that nothing was left to do
    for calls in (report["calls"] for report in reports):
        assert calls["sentinels"] == 1
        assert (calls["dropped"], calls["without_agent"], calls["with_two_agents"]) == (0, 0, 0)
        assert calls["opened_during_run"] >= 1


def test_no_run_holds_the_lock(host: Any) -> None:
    assert not host.file("/run/releve/eloquence.lock").exists
