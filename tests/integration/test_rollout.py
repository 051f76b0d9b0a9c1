"""The rollout's controller as a process, beside a gateway that speaks its contract: it is killed,
its gateway is gone, its record stops, operators decide."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.rollout_parts import (
    Controller,
    Moments,
    Record,
    StandInGateway,
    gateway_running,
    record_running,
)

LONG = [{"weight": 25, "seconds": 600}, {"weight": 100, "seconds": 600}]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[StandInGateway]:
    async with gateway_running(tmp_path / "admin.sock") as gateway:
        yield gateway


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with record_running(tmp_path / "sentinels.jsonl") as record:
        yield record


@pytest.fixture
def controller(tmp_path: Path, gateway: StandInGateway, record: Record) -> Iterator[Controller]:
    controller = Controller(tmp_path, gateway.socket, record)
    yield controller
    controller.stop()


def releve(controller: Controller, *words: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "releve", "rollout", *words]
    command += ["--state", controller.folder]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_a_rollout_goes_through_and_ends_without_a_lease(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.start()
    ended = await controller.ended()
    assert (ended["verdict"], gateway.greens) == ("passed", [25, 100])
    assert (gateway.lease, gateway.epoch, gateway.by) == (None, 1, "rollout test-1")
    assert controller.events == [
        "began",
        "epoch",
        "step",
        "moved",
        "step",
        "moved",
        "done",
        "ended",
    ]
    gates = ("record", "calls", "harm", "offers", "agent_audio", "early_ends")
    answers = {gate: found["answer"] for gate, found in ended["gates"].items()}
    assert answers == dict.fromkeys(gates, "pass")


async def test_killed_after_every_entry_and_started_again_it_goes_on(
    controller: Controller, gateway: StandInGateway
) -> None:
    """SIGKILL, and nothing of its memory is left."""
    kills = 0
    while "ended" not in controller.events:
        known = len(controller.events)
        controller.start()
        await controller.until(lambda: len(controller.events) > known, "another entry")  # noqa: B023
        controller.kill()
        kills += 1
    assert kills >= 3  # entries that belong together may come between two looks
    assert gateway.greens == [25, 100]
    assert controller.journal[-1]["verdict"] == "passed"
    controller.start()  # as `restart: unless-stopped` does
    status = await controller.answers()
    assert (status["verdict"], gateway.lease) == ("passed", None)


@pytest.mark.parametrize("moment", ["asked", "applied"])
async def test_killed_in_the_midst_of_every_decision_it_goes_on(
    controller: Controller, gateway: StandInGateway, moment: str
) -> None:
    """Before the gateway has done what was asked, and after that, before it says so."""
    seen: set[tuple[int, float | None]] = set()

    async def kill() -> None:
        asked = (gateway.weights["green"], gateway.lease)
        if asked not in seen:
            seen.add(asked)
            controller.kill()
            controller.start()

    gateway.at_put = Moments()
    setattr(gateway.at_put, moment, kill)
    controller.start()
    assert (await controller.ended())["verdict"] == "passed"
    assert gateway.greens == [25, 100]
    assert len(seen) == 3


async def test_killed_while_it_goes_back_it_goes_back(
    controller: Controller, gateway: StandInGateway, record: Record
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    await gateway.stop()
    record.write("dropped", call="held", why="the agent left")
    await controller.until(lambda: "back" in controller.events)
    controller.kill()
    await gateway.start()
    controller.start()
    ended = await controller.ended()
    assert (ended["verdict"], gateway.greens) == ("rolled_back", [25, 0])
    assert "dropped is 1" in ended["reason"]


async def test_what_was_held_while_no_controller_ran_is_given_back(
    controller: Controller, gateway: StandInGateway
) -> None:
    """By the gateway, when the lease is over; and a controller that comes later touches nothing."""
    controller.plan |= {"schedule": LONG, "lease_seconds": 5}
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    controller.kill()
    await controller.until(lambda: gateway.describe()["by"] == "gateway", "the lease ran out")
    renewals = gateway.renewals
    controller.start()
    ended = await controller.ended()
    assert (ended["verdict"], gateway.renewals) == ("rolled_back", renewals)
    assert "the lease of epoch 1 (rollout test-1) ran out" in ended["reason"]
    assert gateway.weights == {"blue": 100, "green": 0}


async def test_the_lease_is_renewed_while_the_controller_runs(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan |= {"schedule": LONG, "lease_seconds": 5}
    controller.start()
    await controller.until(lambda: gateway.renewals >= 3)
    assert (gateway.greens, gateway.by) == ([25], "rollout test-1")


async def test_sigterm_ends_it_at_once_and_keeps_the_lease(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    assert controller.process is not None
    controller.process.send(signal.SIGTERM)
    assert controller.process.wait(30) == 0
    assert (gateway.weights["green"], gateway.lease) == (25, 60)
    controller.start()
    await controller.answers()
    assert gateway.greens == [25]


@pytest.mark.parametrize(
    ("event", "fields", "said"),
    [
        ("dropped", {"call": "held", "why": "x"}, "gate calls: dropped is 1, at most 0 is needed"),
        ("two_agents", {"call": "held", "identities": []}, "with_two_agents is 1"),
        ("silence", {"call": "held", "ms": 800.0}, "gate harm: longest silence of held calls"),
        ("nonsense\n", {}, "has a line that is no event"),
    ],
)
async def test_a_breach_goes_back_while_a_step_is_watched(
    controller: Controller,
    gateway: StandInGateway,
    record: Record,
    event: str,
    fields: dict[str, Any],
    said: str,
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    if event.endswith("\n"):
        with record.path.open("a") as file:
            file.write(event)
    else:
        record.write(event, **fields)
    ended = await controller.ended()
    assert (ended["verdict"], gateway.greens) == ("rolled_back", [25, 0])
    assert said in ended["reason"]


async def test_a_record_that_stops_is_a_breach(
    controller: Controller, gateway: StandInGateway, record: Record
) -> None:
    controller.plan |= {"schedule": LONG, "limits": {"rollout": {"record_age_s_max": 2}}}
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    record.stopping.set()
    ended = await controller.ended()
    assert (ended["verdict"], gateway.greens) == ("rolled_back", [25, 0])
    assert "gate record: time since the sentinels' last event is 2" in ended["reason"]


async def test_an_offer_that_nobody_took_goes_back(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    status = await controller.answers()
    while "offers" not in status["gates"]:
        status = await controller.answers()
    gateway.rejected = 1
    ended = await controller.ended()
    assert "gate offers: offers without an agent is 1" in ended["reason"]


@pytest.mark.parametrize("killed", [False, True])
async def test_where_nothing_can_be_written_down_it_goes_back(
    controller: Controller, gateway: StandInGateway, killed: bool
) -> None:
    """As on a full disk. One that starts later, and has read of no return, does not go on."""
    controller.plan["schedule"] = [{"weight": 25, "seconds": 1}, LONG[1]]
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    assert controller.process is not None
    pid = controller.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, -1))
    await controller.until(lambda: gateway.greens == [25, 0])
    assert "back" not in controller.events
    if killed:
        controller.kill()
        controller.start()
    else:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert (await controller.ended())["verdict"] == "rolled_back"
    assert gateway.greens == [25, 0]


async def test_an_operators_decision_ends_it_as_superseded(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    renewals = gateway.renewals
    gateway.operate({"blue": 60, "green": 40})
    ended = await controller.ended()
    assert (ended["verdict"], gateway.renewals) == ("superseded", renewals)
    assert "operator decided at 2026" in ended["reason"]
    assert gateway.weights == {"blue": 60, "green": 40}


async def test_a_new_colour_without_a_worker_is_given_nothing(
    controller: Controller, gateway: StandInGateway
) -> None:
    gateway.serving = {"blue"}
    controller.plan["limits"] = {"rollout": {"unserved_s_max": 1}}
    controller.start()
    ended = await controller.ended()
    assert (ended["verdict"], gateway.greens) == ("rolled_back", [])
    assert "time without a worker of the new release" in ended["reason"]


async def test_rooms_go_back_to_a_cordoned_old_colour(
    controller: Controller, gateway: StandInGateway, record: Record
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    gateway.cordons["blue"] = True
    record.write("dropped", call="held", why="x")
    await controller.ended()
    assert (gateway.greens, gateway.cordons["blue"]) == ([25, 0], False)
    assert gateway.fallback == ["blue"]


async def test_where_the_old_colour_has_no_worker_the_new_one_stands_in(
    controller: Controller, gateway: StandInGateway, record: Record
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    gateway.serving = {"green"}
    record.write("dropped", call="held", why="x")
    ended = await controller.ended()
    assert (ended["verdict"], gateway.greens) == ("rolled_back", [25, 0])
    assert "unserved" in controller.events
    assert gateway.fallback == ["blue", "green"]


async def test_a_gateway_that_is_gone_for_a_while_finds_its_rollout_again(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = [{"weight": 25, "seconds": 5}, {"weight": 100, "seconds": 1}]
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    await gateway.stop()
    status = await controller.answers()
    while status["gateway"]["trouble"] is None:
        status = await controller.answers()
    assert "no gateway answers" in status["gateway"]["trouble"]
    await gateway.start()
    assert (await controller.ended())["verdict"] == "passed"
    assert gateway.greens == [25, 100]


async def test_operators_approve_pause_and_resume(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = [
        {"weight": 25, "seconds": 0.5},
        {"weight": 50, "seconds": 0.5, "approve": True},
        {"weight": 100, "seconds": 0.5},
    ]
    controller.start()
    await controller.until(lambda: "approval" in controller.events)
    mode = (controller.folder / "control.sock").stat().st_mode
    assert mode & 0o777 == 0o600
    refused = await asyncio.to_thread(releve, controller, "resume")
    assert (refused.returncode, refused.stderr) == (2, "releve rollout: it is not paused\n")
    paused = await asyncio.to_thread(releve, controller, "pause", "--by", "me")
    assert paused.returncode == 0
    approved = await asyncio.to_thread(releve, controller, "approve", "--by", "me")
    assert (approved.returncode, gateway.greens) == (0, [25])
    resumed = await asyncio.to_thread(releve, controller, "resume", "--by", "me")
    assert "rollout test-1" in resumed.stdout
    waited = await asyncio.to_thread(releve, controller, "status", "--wait")
    assert (waited.returncode, gateway.greens) == (0, [25, 50, 100])
    assert "approved by me" in waited.stdout
    assert "passed" in waited.stdout.splitlines()[-1]


async def test_without_a_controller_the_journal_tells_where_it_was(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    controller.kill()
    told = await asyncio.to_thread(releve, controller, "status", "--json")
    now = json.loads(told.stdout)
    assert (now["controller"], now["weights"]) == (False, {"blue": 75, "green": 25})
    plain = await asyncio.to_thread(releve, controller, "status")
    assert "no controller answers: this is what its journal says" in plain.stdout
    asked = await asyncio.to_thread(releve, controller, "approve")
    assert asked.returncode == 2
    assert "no controller answers" in asked.stderr


async def test_a_second_controller_does_not_start_beside_the_first(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    command = ["run", "--plan", str(controller.home / "plan.yaml")]
    second = await asyncio.to_thread(releve, controller, *command)
    assert second.returncode == 2
    assert "another controller works in" in second.stderr


async def test_the_comparison_is_run_and_looked_at_twice(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.plan |= {
        "schedule": [{"weight": 25, "seconds": 1, "compare": True}, {"weight": 100, "seconds": 1}],
        "comparison": {"looks": [["sh", "-c", "echo green is slower >&2; exit 1"], ["true"]]},
    }
    controller.start()
    assert (await controller.ended())["verdict"] == "passed"
    looks = [entry for entry in controller.journal if entry["event"] == "compared"]
    assert [(look["look"], look["answer"]) for look in looks] == [(1, "fail"), (2, "pass")]
    assert looks[0]["reason"] == "green is slower"


async def test_a_comparison_that_goes_on_is_ended_with_what_it_started(
    controller: Controller, gateway: StandInGateway, record: Record
) -> None:
    pid = controller.home / "pid"
    script = f"sleep 600 & echo $! > {pid}; wait"
    controller.plan |= {
        "schedule": [{"weight": 25, "seconds": 600, "compare": True}, LONG[1]],
        "comparison": {"looks": [["sh", "-c", script]]},
    }
    controller.start()
    await controller.until(lambda: pid.exists() and pid.read_text().strip(), "the comparison runs")
    record.write("dropped", call="held", why="x")
    assert (await controller.ended())["verdict"] == "rolled_back"
    await controller.until(lambda: not running(int(pid.read_text())), "it ends")


def running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_new_rooms_open_before_each_move(
    controller: Controller, gateway: StandInGateway, tmp_path: Path
) -> None:
    moments = tmp_path / "moments"
    controller.plan["moments"] = str(moments)
    touched: list[tuple[int, bool]] = []

    class Look(Moments):
        async def asked(self) -> None:
            touched.append((gateway.weights["green"], moments.exists()))
            moments.unlink(missing_ok=True)

    gateway.at_put = Look()
    controller.start()
    await controller.ended()
    assert touched[:2] == [(0, True), (25, True)]
    assert set(touched[2:]) == {(100, False)}  # the lease ends, nothing is moved


async def test_an_id_is_used_once_and_its_plan_stays(
    controller: Controller, gateway: StandInGateway
) -> None:
    controller.start()
    await controller.ended()
    controller.stop()
    controller.plan["lease_seconds"] = 61
    controller.start()
    assert controller.process is not None
    assert controller.process.wait(30) == 2
    assert "has begun with another plan" in controller.process.log.read_text()
    gateway.operate({"blue": 100, "green": 0})
    controller.plan["id"] = "test-2"
    controller.start()
    await controller.until(lambda: gateway.greens[-1:] == [25], "the next rollout")
    assert (controller.folder / "test-1.jsonl").exists()
    controller.stop()
    controller.plan["id"] = "test-1"
    controller.start()
    assert controller.process.wait(30) == 2
    assert "was there before" in controller.process.log.read_text()
