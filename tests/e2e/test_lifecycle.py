"""A stack's releases, one after the other: migrated, drained, finalized, deployed, rolled back."""

from __future__ import annotations

import subprocess
from typing import Any

from e2e.harness import STACK, Played, Stage

BLUE_ALONE = {"blue": 100, "green": 0}
GREEN_ALONE = {"blue": 0, "green": 100}
# That every gate is asked in a rollout is test_migration's to show.
SHORT: dict[str, Any] = {
    "media_probe_chirps": 20,
    "media_probe_calls": 1,
    "rollout_schedule": [{"weight": 100, "seconds": 25}],
    "sentinels_before_seconds": 20,
    "sentinels_stay": False,  # its calls would be the old release's
}
PROJECT = f"/opt/{STACK}"


def done(run: Played) -> Played:
    assert run.code == 0, run.output
    return run


def unchanged(run: Played) -> None:
    """A second run of a verb."""
    assert "changed=0 " in done(run).output, run.output


def compose_up() -> str:
    """What a user types in their folder, and what Compose says."""
    for command in (["docker", "compose"], ["docker-compose"]):
        known = subprocess.run([*command, "version"], capture_output=True, check=False)
        if known.returncode == 0:
            up = [*command, "up", "--detach"]
            ran = subprocess.run(up, cwd=PROJECT, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
            return ran.stderr
    raise AssertionError("there is no Compose")


def names(stage: Stage) -> set[str]:
    """The stack's containers that run."""
    return {found.name for found in stage.docker.containers.list() if STACK in found.name}


def test_a_release_is_migrated_finalized_deployed_and_rolled_back(stage: Stage) -> None:
    done(stage.play("migrate.yml", **SHORT))
    assert stage.weights() == GREEN_ALONE

    # The old release goes when nobody of it is in a room, and not before.
    early = stage.play("playbooks/finalize.yml")
    assert early.code != 0
    assert "blue is active: no call" in early.last
    assert "playbooks/drain.yml" in early.last
    checked = done(stage.play("playbooks/drain.yml", check=True))
    assert "active" in checked.output
    drained = done(stage.play("playbooks/drain.yml", releve_progress_seconds=1))
    assert "blue is drained: no call (last checked " in drained.output
    unchanged(stage.play("playbooks/drain.yml"))

    before = stage.containers()
    planned = done(stage.play("playbooks/finalize.yml", check=True))
    assert "remove container" in planned.output
    assert stage.containers() == before
    compose_up()
    assert stage.containers() == before

    finalized = done(stage.play("playbooks/finalize.yml"))
    assert "POINT OF NO RETURN" in finalized.output
    left = {f"{STACK}_livekit_1", f"{STACK}-gateway", f"{STACK}-agent-green"}
    assert names(stage) == left
    unchanged(stage.play("playbooks/finalize.yml"))
    after = stage.containers()
    compose_up()
    assert stage.containers() == after, "no second agent, and nothing was recreated"
    refused = stage.play("migrate.yml", **SHORT)
    assert refused.code != 0
    assert "playbooks/deploy.yml" in refused.last

    # The next release goes to the free colour.
    same = stage.play("playbooks/deploy.yml", **SHORT)
    assert "in service already as green" in done(same).output
    release = stage.release(environment={"AGENT_MODE": "echo", "RELEASE": "2"})
    deployed = done(stage.play("playbooks/deploy.yml", release=release, **SHORT))
    calls = deployed.report["calls"]
    assert (calls["dropped"], calls["without_agent"], calls["with_two_agents"]) == (0, 0, 0)
    assert stage.weights() == BLUE_ALONE
    assert names(stage) == left | {f"{STACK}-agent-blue"}

    back = done(stage.play("rollback.yml"))
    assert back.report["run"]["verdict"] == "pass"
    assert stage.weights() == GREEN_ALONE
    unchanged(stage.play("rollback.yml"))

    # Also a release that is gone is gone back to.
    done(stage.play("playbooks/deploy.yml", release=release, **SHORT))
    assert stage.weights() == BLUE_ALONE
    done(stage.play("playbooks/drain.yml"))
    done(stage.play("playbooks/finalize.yml"))
    assert names(stage) == {f"{STACK}_livekit_1", f"{STACK}-gateway", f"{STACK}-agent-blue"}
    done(stage.play("rollback.yml"))
    assert stage.weights() == GREEN_ALONE
    assert f"{STACK}-agent-green" in names(stage)
