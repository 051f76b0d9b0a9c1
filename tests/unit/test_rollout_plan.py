"""The plan file: every mistake is a sentence before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from releve.rollout import plan as plans
from releve.rollout.plan import PlanError
from unit.rollout_plans import GOOD, plan

COMPARING = {"schedule": [{"weight": 100, "seconds": 1, "compare": True}]}


def write(folder: Path, **changes: Any) -> Path:
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(GOOD | changes))
    return file


def test_yaml_and_json_are_read_alike(tmp_path: Path) -> None:
    as_json = tmp_path / "plan.json"
    as_json.write_text(json.dumps(GOOD))
    assert plans.load(write(tmp_path)) == plans.load(as_json) == plan()


def test_numbers_from_a_command_line_are_numbers() -> None:
    schedule = [{"weight": "100", "seconds": "1800", "approve": "yes"}]
    (step,) = plan(schedule=schedule, lease_seconds="15").schedule
    assert (step.weight, step.seconds, step.approve) == (100, 1800.0, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schedule": []}, "schedule: List should have at least 1 item"),
        ({"schedule": [{"weight": 0, "seconds": 1}]}, "schedule.0.weight: Input should be greater"),
        (
            {"schedule": [{"weight": 50, "seconds": 9}]},
            "the last step's weight is 50; end with 100",
        ),
        (
            {"schedule": [{"weight": w, "seconds": 9} for w in (50, 25, 100)]},
            "weights must rise from step to step; these are [50, 25, 100]",
        ),
        ({"schedule": [{"weight": 100, "seconds": 0}]}, "schedule.0.seconds: Input should be gr"),
        (
            {"schedule": [{"weight": 100, "seconds": 9, "minutes": 3}]},
            "schedule.0.minutes: Extra inputs",
        ),
        ({"to": "blue"}, "`from` and `to` are both blue; name two colours"),
        ({"to": "Green!"}, "to: String should match pattern"),
        ({"id": "../../etc"}, "id: String should match pattern"),
        ({"lease_seconds": 1}, "lease_seconds: Input should be greater than or equal to 5"),
        (COMPARING, "a step has `compare: true`; give `comparison` with its commands"),
        ({"comparison": {"looks": [["true"]]}}, "a `comparison`, but no step has `compare: true`"),
        (COMPARING | {"comparison": {"looks": [[]]}}, "comparison.looks.0: List should have at"),
        (
            {"inconclusive": {"then": "hope"}},
            "inconclusive.then: Input should be 'go_back' or 'wait'",
        ),
        ({"limits": {"calls": {"drops": 1}}}, "limits: no gate is called 'drops'; there are"),
        ({"notify_urls": ["file:///etc/passwd"]}, "notify_urls.0: URL scheme should be 'http'"),
        ({"speed": "fast"}, "speed: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError) as error:
        plans.load(write(tmp_path, **changes))
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"plan {tmp_path}/plan.yaml: ")
    assert said in line


def test_two_mistakes_are_two_sentences(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        plans.load(write(tmp_path, to="GREEN", lease_seconds="long"))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it holds no settings"),
        (b"- 1", "no settings"),
        (b"a: [", "not YAML"),
        (b"\xff", "not YAML"),
    ],
)
def test_a_file_that_is_no_plan_is_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(content)
    with pytest.raises(PlanError, match=said):
        plans.load(file)
    with pytest.raises(PlanError, match="No such file"):
        plans.load(tmp_path / "other.yaml")


def test_urls_are_secret(tmp_path: Path) -> None:
    url = "https://hooks.example.com/services/T0/B0/secret"
    file = write(tmp_path, notify_urls=[url])
    file.chmod(0o644)
    with pytest.raises(PlanError, match="others can read its notify_urls"):
        plans.load(file)
    file.chmod(0o600)
    loaded = plans.load(file)
    assert "secret" not in repr(loaded) + json.dumps(loaded.kept())
    assert [str(each) for each in loaded.notify_urls] == [url]


def test_limits_are_those_of_gates_yaml_but_for_the_plans_own() -> None:
    limits = plan(limits={"calls": {"dropped_max": 2}, "rollout": {"record_age_s_max": 30}}).limits
    assert {g.key: g.limit for g in limits.gates("calls")}["dropped_max"] == 2
    assert limits.gate("record_age_s_max").limit == 30
    assert plan().limits.gate("record_age_s_max").limit == 10
