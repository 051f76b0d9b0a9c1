"""What the operator decided outlives the gateway, or the gateway refuses to guess."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releve.gateway.decisions import file as decisions_file
from releve.gateway.decisions.model import Decisions, Lease, Otherwise, Tenure
from releve.gateway.policy import COLOURS, Rules, Weights

BLUE, GREEN = frozenset({"blue"}), frozenset({"green"})
ONE = ("default",)


def decided(weights: Weights) -> Decisions:
    return Decisions({"default": Rules(weights)})


def leased(epoch: int, ends: float, seconds: float = 100.0) -> Tenure:
    after = Otherwise(Weights(), {"green": True}, GREEN)
    return Tenure(epoch, "rollout 1", "step 2", 1.7e9, Lease(seconds, ends, after))


@given(
    st.integers(0, 100),
    st.frozensets(st.sampled_from(COLOURS)),
    st.frozensets(st.sampled_from(COLOURS)),
    st.frozensets(st.ip_addresses().map(str)),
    st.integers(1, 9),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_decisions_come_back_as_they_were(
    tmp_path: Path,
    green: int,
    cordoned: frozenset,
    fallback: frozenset,
    peers: frozenset,
    epoch: int,
) -> None:
    """Epoch, lease and what comes after it, too: the lease ends when it would have."""
    path = tmp_path / "state.json"
    rules = Rules(Weights(100 - green, green), cordoned, fallback)
    tenure = leased(epoch, time.monotonic() + 20)
    decisions = Decisions({"default": rules, "coach": Rules()}, peers, {"default": tenure})
    decisions_file.save(path, decisions, BLUE)
    assert decisions_file.load(path, ("default", "coach"), BLUE) == decisions


def test_a_lease_goes_on_over_a_reboot_by_the_clock_on_the_wall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    lease = leased(4, time.monotonic() + 60)
    decisions_file.save(path, Decisions({"default": Rules()}, tenures={"default": lease}), BLUE)
    monkeypatch.setattr(decisions_file, "_boot", lambda: "another")
    wall, monotonic = time.time(), time.monotonic()

    def left(away: float) -> float:
        """Seconds of the lease after a reboot that took `away`; the new clock begins at zero."""
        with monkeypatch.context() as patch:
            patch.setattr(decisions_file.time, "time", lambda: wall + away)
            patch.setattr(decisions_file.time, "monotonic", lambda: 5.0)
            tenure = decisions_file.load(path, ONE, BLUE).tenures["default"]
        assert tenure.lease is not None
        return tenure.lease.ends - 5.0

    assert left(20) == pytest.approx(40, abs=1)
    assert left(90) < 0
    assert left(-3600) == 100, "a clock that was put back makes no lease longer"
    assert monotonic > 5.0


def test_a_fallback_that_nobody_decided_is_that_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    decisions_file.save(path, decided(Weights()), BLUE)
    assert decisions_file.load(path, ONE, GREEN).agents["default"].fallback == GREEN


def test_a_power_cut_after_a_decision_brings_no_older_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is on disk before it has its name, and its name before the decision is in force."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(handle: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def note_replace(path: Path, target: Path) -> Path:
        seen.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    decisions_file.save(tmp_path / "state.json", decided(Weights()), BLUE)
    assert seen == ["file", "name", "folder"]


def test_one_gateway_at_a_time_changes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions_file, "LOCK_SECONDS", 0.0)
    path = tmp_path / "state.json"
    with (
        decisions_file.locked(path),
        pytest.raises(decisions_file.Locked, match="another gateway holds"),
    ):
        decisions_file.locked(path).__enter__()
    decisions_file.locked(path).__enter__()


def test_without_a_file_blue_has_everything(tmp_path: Path) -> None:
    rules = decisions_file.load(tmp_path / "state.json", ONE, BLUE).agents["default"]
    assert (rules.weights.as_dict(), rules.cordoned) == ({"blue": 100, "green": 0}, frozenset())


def test_a_file_from_before_there_were_several_agents_is_about_the_default_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.json"
    path.write_text(
        '{"weights": {"blue": 30, "green": 70}, "cordoned": ["blue"], "cordoned_peers": ["::1"]}'
    )
    told = decisions_file.load(path, ("default", "coach"), BLUE)
    assert told.agents == {"default": Rules(Weights(30, 70), BLUE, BLUE), "coach": Rules()}
    assert told.cordoned_peers == {"::1"}


def test_an_agent_that_is_not_served_for_a_while_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    coach = Rules(Weights(20, 80))
    decisions_file.save(path, Decisions({"default": Rules(), "coach": coach}), BLUE)
    decisions_file.save(path, decisions_file.load(path, ONE, BLUE), BLUE)
    assert decisions_file.load(path, ("default", "coach"), BLUE).agents["coach"] == coach


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"weights": {"blue": 100, "green": 0}}',
        b'{"cordoned": []}',
        b'{"weights": {"blue": 60, "green": 60}, "cordoned": []}',
        b'{"weights": [100, 0], "cordoned": []}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": null}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": [["blue"]]}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": "blue"}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": ["red"]}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": [], "cordoned_peers": ["red"]}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": [], "cordoned_peers": 7}',
        b'{"agents": [], "cordoned_peers": []}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": [], "epoch": "x"}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": [], "lease": {"seconds": 5}}',
        b'{"weights": {"blue": 100, "green": 0}, "cordoned": [], "fallback": ["red"]}',
        b'{"agents": {"default": {"cordoned": []}}, "cordoned_peers": []}',
    ],
)
def test_a_damaged_file_is_never_guessed_around(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(decisions_file.StateError) as mistake:
        decisions_file.load(path, ONE, BLUE)
    assert str(path) in str(mistake.value)
    assert "remove it" in str(mistake.value)


def test_a_failed_write_leaves_the_old_state_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    decisions_file.save(path, decided(Weights(70, 30)), BLUE)

    def disk_full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        decisions_file.save(path, decided(Weights(0, 100)), BLUE)
    assert decisions_file.load(path, ONE, BLUE) == decided(Weights(70, 30))
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    decisions_file.save(path, decided(Weights()), BLUE)
    assert path.stat().st_mode & 0o777 == 0o600
