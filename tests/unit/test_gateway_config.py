"""The settings file: every mistake is a sentence before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from releve.gateway import config
from releve.gateway.config import AgentKey

GOOD = {
    "server_url": "ws://livekit:7880",
    "media_url": "wss://media.example",
    "keys_file": "/run/secrets/livekit_keys",
    "state_file": "/var/lib/releve/state.json",
    "admin_socket": "/run/releve/admin.sock",
}
TWO = {"default": {"namespace": "default"}, "coach": {"agent_name": "coach"}}


def write(path: Path, **changes: object) -> Path:
    file = path / "gateway.yaml"
    file.write_text(yaml.safe_dump(GOOD | changes))
    return file


def test_the_defaults_are_the_contract(tmp_path: Path) -> None:
    settings = config.load(write(tmp_path))
    assert settings.ports == {"blue": 7890, "green": 7891}
    assert settings.fallback == ("blue",)
    assert settings.agents == {"default": AgentKey()}
    assert AgentKey().model_dump() == {
        "agent_name": "",
        "namespace": "",
        "deployment": "",
        "calls": None,
        "calls_per_worker": None,
        "queue_seconds": 1.0,
        "sticky": "",
        "restart": "never",
        "restarts": 3,
    }
    dark = [settings.dark_name("default", colour) for colour in ("blue", "green")]
    assert dark == ["releve-blue", "releve-green"]


def test_every_agent_has_dark_names_of_its_own(tmp_path: Path) -> None:
    settings = config.load(write(tmp_path, agents=TWO))
    assert settings.dark_name("default", "green") == "releve-green"
    assert settings.dark_name("coach", "green") == "releve-coach-green"


def test_a_worker_belongs_to_the_agent_of_its_name_whatever_its_namespace(tmp_path: Path) -> None:
    """0.7.2 registers in "default", 1.x in none."""
    settings = config.load(write(tmp_path, agents=TWO))
    assert settings.agent_of("", "default") == settings.agent_of("", "") == "default"
    assert settings.agent_of("coach", "default") == "coach"
    assert settings.agent_of("other", "") is None


def test_where_agents_share_a_name_the_namespace_tells_them_apart(tmp_path: Path) -> None:
    agents = {"default": {"namespace": "default"}, "two": {"namespace": "school"}}
    settings = config.load(write(tmp_path, agents=agents))
    assert settings.agent_of("", "default") == "default"
    assert settings.agent_of("", "school") == "two"
    assert settings.agent_of("", "") is None


def test_a_trailing_slash_changes_nothing(tmp_path: Path) -> None:
    settings = config.load(write(tmp_path, server_url="ws://livekit:7880/"))
    assert settings.server_url == "ws://livekit:7880"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"server_url": "http://livekit:7880"}, "server_url: String should match"),
        ({"keys_file": None}, "keys_file: Input is not a valid path"),
        ({"offer_seconds": 3}, "offer_seconds: Input should be less than 2.8"),
        ({"metrics_port": 7891}, "metrics_port 7891 is a colour's; give another"),
        ({"answer_seconds": 0}, "answer_seconds: Input should be greater than 0"),
        ({"fallback": ["red"]}, "fallback.0: Input should be 'blue' or 'green'"),
        ({"ports": {"blue": 7890}}, "ports: Value error, give blue and green a port each"),
        ({"ports": {"blue": 1, "green": 1}}, "ports: Value error, give blue and green a port"),
        ({"agents": {"coach": {}}}, "call one of the agents 'default': it is meant where none is"),
        ({"agents": {"A b": {}}}, "agents.A b.[key]: String should match pattern"),
        (
            {"agents": {"default": {}, "b": {}}},
            "agents default and b would both be registered as ''",
        ),
        (
            {"agents": {"default": {"agent_name": "releve-blue"}}},
            "both be registered as 'releve-blue'",
        ),
        (
            {"agents": {"default": {}, "b": {"agent_name": "releve-green"}}},
            "agents default and b would both be registered as 'releve-green'",
        ),
        ({"wieghts": 1}, "wieghts: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(config.ConfigError) as mistake:
        config.load(write(tmp_path, **changes))
    assert sentence in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError) as mistake:
        config.load(write(tmp_path, server_url="x", max_workers=0))
    assert "server_url" in str(mistake.value)
    assert "max_workers" in str(mistake.value)


@pytest.mark.parametrize("content", ["", "- a list", "a: [", "text"])
def test_a_file_that_is_no_map_is_explained(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(content)
    with pytest.raises(config.ConfigError, match=str(path)):
        config.load(path)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="No such file"):
        config.load(tmp_path / "absent.yaml")
