"""The role refuses, tells or replaces; the module that looks at the server is a stand-in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from .ansible_play import played

ROLES = Path(__file__).parents[2] / "roles"
MODULE = """#!/usr/bin/python
import json
from ansible.module_utils.basic import AnsibleModule
names = ("stack", "server_service", "agent_service", "socket", "image", "tag")
names += ("keys_file",)
spec = {name: {"no_log": False} for name in names}
spec |= {name: {"type": "raw"} for name in ("config", "limits", "compose", "env_files")}
spec |= {name: {"type": "raw"} for name in ("seconds", "apply", "server_port")}
module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
with open(ASKED, "w") as file:
    json.dump(module.params, file)
module.exit_json(changed=False, differs=DIFFERS, host=["rmem"], notes=[])
"""
GIVEN = {
    "stack": "shop",
    "server_service": "livekit",
    "agent_service": "agent",
    "server_port": 7880,
    "releve_socket": "/s",
    "stack_now": {"env_files": [], "server": {"image_id": "sha256:1", "version": "v1.9.0"}},
    "stack_server_known": True,
    "stack_restarts": False,
    "livekit_server_replace": False,  # as role stack has it
}


def preflight(folder: Path, differs: list[str], **settings: Any) -> tuple[int, str, dict[str, Any]]:
    (folder / "library").mkdir()
    text = MODULE.replace("ASKED", repr(str(folder / "asked.json")))
    (folder / "library/releve_server.py").write_text(text.replace("DIFFERS", repr(differs)))
    role = {"name": "livekit_server", "tasks_from": "preflight"}
    tasks = [
        {"ansible.builtin.include_role": role},
        {"ansible.builtin.debug": {"msg": "restarts: {{ stack_restarts }}"}},
    ]
    play = {"hosts": "all", "gather_facts": False, "vars": GIVEN | settings, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    library = str(folder / "library")
    done = played(folder, ANSIBLE_LIBRARY=library, ANSIBLE_ROLES_PATH=str(ROLES))
    return done.returncode, done.stdout, json.loads((folder / "asked.json").read_text())


CONFIG = {"room": {"max_participants": 4}}
OTHER = "the running server has another configuration"


def test_a_server_that_is_as_wanted_restarts_nothing(tmp_path: Path) -> None:
    code, said, asked = preflight(tmp_path, [], livekit_server_config=CONFIG)
    assert code == 0, said
    assert "rmem" in said
    assert "restarts: False" in said
    assert asked["config"] == CONFIG
    assert (asked["image"], asked["tag"]) == ("sha256:1", "livekit/livekit-server:v1.9.0")
    assert (asked["keys_file"], asked["apply"]) == (None, False)


@pytest.mark.parametrize(
    "wanted",
    [
        {"livekit_server_config": CONFIG},
        {"livekit_server_keys_file": "/k"},
        {"livekit_server_limits": {"nofile": 65536}},
    ],
)
def test_what_is_asked_for_and_may_not_be_done_is_refused(
    tmp_path: Path, wanted: dict[str, Any]
) -> None:
    code, said, _ = preflight(tmp_path, [OTHER], **wanted)
    assert code != 0
    assert OTHER in said
    assert "`-e livekit_server_replace=true`" in said


def test_a_server_that_a_pull_could_move_is_told_and_left_alone(tmp_path: Path) -> None:
    code, said, _ = preflight(tmp_path, ["nothing pins it"])
    assert code == 0, said
    assert "nothing pins it. With `-e livekit_server_replace=true`" in said
    assert "restarts: False" in said


def test_a_run_that_will_replace_it_knows_that_from_the_start(tmp_path: Path) -> None:
    # A word, as `-e livekit_server_replace=true` gives it.
    settings = {"livekit_server_config": CONFIG, "livekit_server_replace": "true"}
    code, said, _ = preflight(tmp_path, [OTHER], **settings)
    assert code == 0, said
    assert "restarts: True" in said
