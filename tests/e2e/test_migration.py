"""The main job, on real containers and with calls in progress, in the order of a rehearsal.

One stack serves all tests: greens that must not pass first, then the one that must, then back.
That a second migration really changes nothing is Molecule's to show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.harness import STACK, Played, Stage, interrupt

BLUE_ALONE = {"blue": 100, "green": 0}
GREEN_ALONE = {"blue": 0, "green": 100}
# Blue has to be heard before anything changes; where no figure is asked for, a few chirps do.
SHORT = {"media_probe_chirps": 6}


def unharmed(calls: dict[str, Any]) -> None:
    """What every run promises to the people who talk meanwhile."""
    assert calls["sentinels"] == 1
    assert (calls["dropped"], calls["without_agent"], calls["with_two_agents"]) == (0, 0, 0)


def rolled_back(run: Played, said: str) -> None:
    assert run.code != 0
    assert run.report["run"]["verdict"] == "rolled_back"
    assert run.last.startswith("ROLLED BACK"), run.last
    assert said in run.last
    unharmed(run.report["calls"])


def test_check_mode_starts_nothing_and_leaves_no_report(stage: Stage) -> None:
    before = stage.containers()
    # A word, as `-e livekit_server_replace=true` gives it.
    run = stage.play("migrate.yml", check=True, livekit_server_replace="true")
    assert run.code == 0, run.output
    assert stage.containers() == before
    assert not list(stage.reports.iterdir())


def test_a_rollback_with_nothing_to_go_back_to_says_so_and_holds_no_lock(stage: Stage) -> None:
    for _ in range(2):  # the second would meet the first's lock
        run = stage.play("rollback.yml")
        assert run.code != 0
        assert "no gateway at" in run.last
    assert run.report["run"]["verdict"] == "failed"


def test_preflight_says_yes_and_touches_no_container(stage: Stage) -> None:
    before = stage.containers()
    run = stage.play("playbooks/preflight.yml", **SHORT)
    assert run.code == 0, run.output
    assert stage.containers() == before


def test_a_host_without_room_for_a_run_is_refused_with_what_to_do(stage: Stage) -> None:
    # A word, as `-e cores_free_min=1000` gives it.
    run = stage.play("playbooks/preflight.yml", cores_free_min="1000", **SHORT)
    assert run.code != 0
    assert "wanted are 1000 cores (`cores_free_min`)" in run.last
    assert "Run it at a quieter hour" in run.last


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"imgae": "x"}, "release.imgae is no setting of a release; the nearest is image"),
        ({}, "the release differs in nothing from what is in service"),
        ({"image": "localhost:1/nothing:9"}, "localhost:1/nothing:9 is not on demo"),
    ],
)
def test_a_release_that_cannot_be_is_refused_and_nothing_has_changed(
    stage: Stage, release: dict[str, Any], said: str
) -> None:
    before = stage.containers()
    run = stage.play("playbooks/preflight.yml", release=release, agent_hardened=False, **SHORT)
    assert run.code != 0
    assert said in run.last
    assert stage.containers() == before


def test_blue_is_not_restarted_while_somebody_talks(stage: Stage) -> None:
    """Once nobody does, it is: Molecule's host is migrated so."""
    blue = stage.blue()
    talking = stage.hold_a_call()
    refused = stage.play("migrate.yml", adoption="restart", idle_seconds=3, **SHORT)
    assert refused.code != 0
    assert "calls still go on after 3 s" in refused.last
    assert stage.blue() == blue
    talking.remove(force=True)


@pytest.mark.parametrize(
    ("green", "settings", "said"),
    [
        ("crashes", SHORT, "ended by itself, it said: the model file is missing"),
        (
            "never_registers",
            SHORT | {"eloquence_agent_register_seconds": 5},
            "no green worker registered at the gateway within 5 s",
        ),
        # Each call to it is given up after 10 s, and looked at twice.
        ("silent", {"media_probe_calls": 1}, "of green failed: agent agent-"),
    ],
)
def test_a_bad_green_goes_back_by_itself_and_nobody_notices(
    stage: Stage, green: str, settings: dict[str, int], said: str
) -> None:
    blue = stage.blue()
    image = stage.green_like(green)
    run = stage.play("migrate.yml", release=stage.release(image=image), **settings)
    rolled_back(run, said)
    assert stage.blue() == blue
    assert stage.weights() == BLUE_ALONE


def test_a_run_keeps_others_out_and_is_understood_when_interrupted(stage: Stage) -> None:
    blue = stage.blue()
    run = stage.start("migrate.yml", **SHORT)
    assert run.stdout is not None
    for line in run.stdout:
        if "(2/10) SENTINELS" in line:
            beside = stage.play("rollback.yml")
            assert beside.code != 0
            assert "this environment is locked: run " in beside.last
        if "(8/10) PROBE" in line:
            interrupt(run)
            break
    rest = run.stdout.read()
    assert run.wait() != 0
    assert "interrupted" in rest.rstrip().splitlines()[-1]

    back = stage.play("rollback.yml")
    assert back.code == 0, back.output
    unharmed(back.report["calls"])
    assert stage.weights() == BLUE_ALONE
    assert stage.blue() == blue


def test_a_migration_moves_every_new_room_and_drops_no_call(stage: Stage) -> None:
    blue = stage.blue()
    run = stage.play("migrate.yml", sentinels_stay=True)
    assert run.code == 0, run.output
    assert run.report["run"]["verdict"] == "pass"
    unharmed(run.report["calls"])
    # Around adoption and both moves of weights.
    assert run.report["calls"]["opened_during_run"] >= 9
    probes = {(probe["name"], probe["colour"]): probe for probe in run.report["probes"]}
    assert probes["echo", "green"]["passed"]
    # In the same seconds as blue, if need be at the second look.
    compared = probes.get(("compare-again", "green"), probes["compare", "green"])
    assert compared["compared"]["answer"] == "pass"
    assert stage.weights() == GREEN_ALONE
    assert stage.blue() == blue
    assert not stage.detours(), "the way that blue was adopted by stays in place for a moment only"
    # Its start was not to be heard by anybody; from then on it weighs what any container does.
    for name in ("-agent-green", "_livekit_1", "_agent_1"):
        found = stage.docker.containers.get(f"{STACK}{name}")
        assert found.attrs["HostConfig"]["CpuShares"] in (0, 1024), name
    harm = run.report["harm"]
    assert None not in harm.values()


def test_a_preflight_that_fails_with_green_in_service_undoes_nothing(stage: Stage) -> None:
    before = stage.containers()
    # A word, as `-e disk_free_min_gb=999999` gives it.
    run = stage.play("migrate.yml", disk_free_min_gb="999999")
    assert run.code != 0
    assert "wanted 999999 GB (`disk_free_min_gb`)" in run.last
    assert run.report["run"]["verdict"] == "failed"
    assert stage.weights() == GREEN_ALONE
    assert stage.containers() == before


def test_a_rollback_with_calls_on_both_colours_drops_none(stage: Stage) -> None:
    # The sentinels are blue's, since before the migration; newer rooms are green's.
    stage.await_call("green")
    run = stage.play("rollback.yml")
    assert run.code == 0, run.output
    unharmed(run.report["calls"])
    # The sentinels open rooms around it, as they know by its id.
    assert stage.moment() == run.report["run"]["id"]
    assert run.report["rollback"]["seconds"] > 0
    assert stage.weights() == BLUE_ALONE
    stage.hang_up()


def test_both_colours_are_probed_and_told_by_status(stage: Stage) -> None:
    probe = stage.play("playbooks/probe.yml")
    assert probe.code == 0, probe.output
    measured = {(found["name"], found["colour"]) for found in probe.report["probes"]}
    assert measured >= {
        (name, of) for name in ("connect", "network", "echo", "app") for of in ("blue", "green")
    }
    # Containers without any privilege; and the demo's server offers no TURN.
    networks = [found["network"] for found in probe.report["probes"] if found["name"] == "network"]
    assert [network["TURN"] for network in networks] == ["not offered"] * 2
    assert all(" tcp, " in network["no UDP"] for network in networks)
    # Green gets no new rooms any more: it has to be heard, how fast decides nothing.
    echoes = {found["colour"]: found for found in probe.report["probes"] if found["name"] == "echo"}
    assert echoes["green"]["gate"].keys() == {"valid_fraction_min"}
    timed = {"valid_fraction_min", "own_share_ms_max", "rtt_p95_ms_max"}
    assert echoes["blue"]["gate"].keys() == timed
    status = stage.play("playbooks/status.yml")
    assert status.code == 0
    assert "blue: 100" in status.output


def test_nothing_that_starts_after_a_reboot_needs_a_folder_of_run(stage: Stage) -> None:
    ours = stage.docker.containers.list(filters={"label": f"releve.stack={STACK}"})
    restarted = [one for one in ours if one.attrs["HostConfig"]["RestartPolicy"]["Name"] != "no"]
    sources = {mount["Source"] for one in restarted for mount in one.attrs["Mounts"]}
    assert len(restarted) >= 2, "the gateway and green"
    assert not [source for source in sources if source.startswith(("/run/", "/var/run/", "/tmp/"))]


def test_a_restore_shows_its_plan_and_leaves_a_running_stack_alone(stage: Stage) -> None:
    before = stage.containers()
    run = stage.play("playbooks/restore.yml", snapshot="latest")
    assert run.code != 0
    assert f"stop container {STACK}_agent_1" in run.output
    assert f"To do it nevertheless add -e confirm={STACK}" in run.last
    assert stage.containers() == before


def test_no_secret_is_in_what_all_these_runs_printed_or_wrote_down(stage: Stage) -> None:
    password = Path(f"/var/lib/releve-backup/{STACK}/password").read_text().strip()
    keys = Path(f"/var/lib/releve/{STACK}/keys.yaml").read_text()
    api_secret = keys.partition(": ")[2].strip().strip('"')
    written = {str(path): path.read_bytes() for path in stage.reports.rglob("*") if path.is_file()}
    written |= {f"run {n}": text.encode() for n, text in enumerate(stage.printed)}
    assert any(path.endswith("backup-versions.md") for path in written)
    for secret in (password, api_secret):
        assert len(secret) >= 32
        assert [path for path, content in written.items() if secret.encode() in content] == []
