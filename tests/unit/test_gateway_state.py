"""What the operator decided outlives the gateway, or the gateway refuses to guess."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releve.gateway import decisions_file
from releve.gateway.policy import COLOURS, Decisions, Rules, Weights

BLUE = frozenset({"blue"})
ONE = ("default",)


def decided(weights: Weights) -> Decisions:
    return Decisions({"default": Rules(weights)})


@given(
    st.integers(0, 100),
    st.frozensets(st.sampled_from(COLOURS)),
    st.frozensets(st.ip_addresses().map(str)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_rules_come_back_as_they_were(
    tmp_path: Path, green: int, cordoned: frozenset, peers: frozenset
) -> None:
    path = tmp_path / "state.json"
    rules = Rules(Weights(100 - green, green), cordoned, BLUE)
    decisions = Decisions({"default": rules, "coach": Rules()}, peers)
    decisions_file.save(path, decisions)
    assert decisions_file.load(path, ("default", "coach"), BLUE) == decisions


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
    decisions_file.save(path, Decisions({"default": Rules(), "coach": coach}))
    decisions_file.save(path, decisions_file.load(path, ONE, BLUE))
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
    decisions_file.save(path, decided(Weights(70, 30)))

    def disk_full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        decisions_file.save(path, decided(Weights(0, 100)))
    assert decisions_file.load(path, ONE, BLUE) == decided(Weights(70, 30))
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    decisions_file.save(path, decided(Weights()))
    assert path.stat().st_mode & 0o777 == 0o600
