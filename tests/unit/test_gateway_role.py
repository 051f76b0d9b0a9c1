"""The role gives the gateway every setting that there is, and whatever is set arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from releve.gateway import config
from releve.gateway.config import AgentKey, GatewayConfig

from .ansible_play import played

ROLES = Path(__file__).resolve().parents[2] / "roles"
ROLE = ROLES / "dispatch_gateway"
OPTIONS: dict[str, Any] = {}
DEFAULTS: dict[str, Any] = {}
for role in (ROLES / "stack", ROLE):  # the agent's name is a word that every role shares
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    for entry in specs["argument_specs"].values():
        OPTIONS |= entry["options"]
    DEFAULTS |= yaml.safe_load((role / "defaults/main.yml").read_text())
DEFAULTS |= yaml.safe_load((ROLE / "vars/main.yml").read_text())
GIVEN = {
    "stack": "e",
    "server_url": "ws://livekit:7880",
    "agent_namespace": "default",
    "stack_now": {"network": "e_default"},
}
ALL = {
    "agent_name": "lesson",
    "agent_deployment": "production",
    "agent_calls": "40",
    "agent_calls_per_worker": "4",
    "agent_queue_seconds": "1.5",
    "agent_restart": "on_failure",
    "agent_restarts": "5",
    "agent_sticky": "sip.phoneNumber",
    "more_agents": {"coach": {"agent_name": "coach", "calls": 7}},
    "dispatch_gateway_ports": {"blue": 1, "green": 2},
    "dispatch_gateway_fallback": ["green"],
    "dispatch_gateway_answer_seconds": "0.5",
    "dispatch_gateway_offer_seconds": "2",
    "dispatch_gateway_max_workers": "70",
    "dispatch_gateway_worker_cert": "/etc/tls/chain.pem",
    "dispatch_gateway_worker_key": "/etc/tls/key.pem",
    "dispatch_gateway_worker_tls": ["blue"],
}
"""Every setting, other than by default; as texts, as a command line gives them."""


def rendered(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What the role's template makes of settings over its defaults, and the memory limit."""
    template = {"src": str(ROLE / "templates/gateway.yaml.j2"), "dest": str(folder / "made.yaml")}
    memory = {"content": "{{ dispatch_gateway_memory }}", "dest": str(folder / "memory")}
    tasks = [{"ansible.builtin.template": template}, {"ansible.builtin.copy": memory}]
    variables = DEFAULTS | GIVEN | settings
    play = {"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    done = played(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, Any] = yaml.safe_load((folder / "made.yaml").read_text())
    return made


def test_every_setting_of_the_gateway_is_written_and_taken(tmp_path: Path) -> None:
    made = rendered(tmp_path, ALL)
    assert set(made) == set(GatewayConfig.model_fields)
    read = config.load(tmp_path / "made.yaml")
    assert read.agents["default"] == AgentKey(
        agent_name="lesson",
        namespace="default",
        deployment="production",
        calls=40,
        calls_per_worker=4,
        queue_seconds=1.5,
        restart="on_failure",
        restarts=5,
        sticky="sip.phoneNumber",
    )
    assert set(made["agents"]["default"]) == set(AgentKey.model_fields)
    assert read.agents["coach"] == AgentKey(agent_name="coach", calls=7)
    assert read.ports == {"blue": 1, "green": 2}
    assert (read.fallback, read.max_workers) == (("green",), 70)
    assert (read.answer_seconds, read.offer_seconds) == (0.5, 2.0)
    assert str(read.worker_cert) == "/run/secrets/worker_tls/chain.pem"
    assert read.worker_tls == ("blue",)
    assert str(read.worker_key) == "/run/secrets/worker_tls/key.pem"
    assert (tmp_path / "memory").read_text() == "261m"


def test_without_settings_the_gateway_has_its_own_defaults(tmp_path: Path) -> None:
    made = rendered(tmp_path, {})
    tls = {"worker_cert", "worker_key", "worker_tls"}
    assert set(GatewayConfig.model_fields) - set(made) == tls
    read, plain = config.load(tmp_path / "made.yaml"), GatewayConfig.model_fields
    assert read.agents == {"default": AgentKey(namespace="default")}
    for name in ("fallback", "answer_seconds", "offer_seconds", "max_workers", "ports"):
        assert getattr(read, name) == plain[name].default, name


def test_on_the_hosts_network_the_gateway_listens_on_loopback_only(tmp_path: Path) -> None:
    made = rendered(
        tmp_path, {"stack_now": {"network": "host"}, "dispatch_gateway_metrics_port": 7898}
    )
    assert (made["listen_host"], made["metrics_port"]) == ("localhost", 7898)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_setting_is_in_the_argument_spec_with_the_default_that_it_has(name: str) -> None:
    assert name in OPTIONS
    if "default" in OPTIONS[name]:
        assert OPTIONS[name]["default"] == DEFAULTS[name]
