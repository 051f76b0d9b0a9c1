"""Action plugin of releve_server: merges the configuration here, where YAML is read, and has the
server on the target try it.

The module's first answer holds the user's configuration with its keys. It goes no further than
this plugin: results, diffs and messages name secrets only.
"""

from __future__ import annotations

import json
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from releve.server_config import document, surroundings

REFUSED = "Nothing was changed"
SECRET_LENGTH = 32  # the server complains of shorter ones at every start


class ActionModule(ActionBase):
    """One task from the user's file to a server that runs with the inventory's configuration."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result, with a diff of the configuration."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        # As JSON has it: Ansible's own texts and numbers know where they come from, YAML does not.
        ours = json.loads(json.dumps(args.pop("config", None) or {}))
        diff: dict[str, Any] = {}
        if ours or args.get("keys_file"):
            found = self._step(args, "look", task_vars)
            if found.get("failed"):
                return result | _told(found)
            try:
                if not isinstance(ours, dict):
                    raise document.ConfigError("livekit_server_config: must be a map")
                wanted, before, after = self._configured(args, ours, found, task_vars)
            except document.ConfigError as error:
                return result | {"failed": True, "msg": f"{error}. {REFUSED}"}
            args |= wanted
            if before != after:
                header = "livekit.yaml (secrets by name)"
                diff = {"before": before, "after": after}
                diff |= {"before_header": header, "after_header": header}
        result |= _told(self._step(args, "plan", task_vars))
        return result | ({"diff": [diff]} if diff else {})

    def _configured(
        self,
        args: dict[str, Any],
        ours: dict[str, Any],
        found: dict[str, Any],
        task_vars: dict[str, Any] | None,
    ) -> tuple[dict[str, str], str, str]:
        """The files; what is in force and what will be, for people. Raises ConfigError."""
        port = int(args.get("server_port") or 7880)
        theirs = document.read(found["text"], found["file"])
        keys = _keys(found, str(args.get("keys_file")))
        config = document.configured(theirs, ours, keys)
        said = [
            *surroundings.overruled(ours, found["environment"], found["arguments"]),
            *surroundings.unreached(config, ours, found["published"], port),
        ]
        if said:
            raise document.ConfigError("; ".join(said))
        text = document.written(config, found["file"])
        wanted = {"whole": text}
        if keys is not None:
            wanted["keys"] = yaml.safe_dump(keys, sort_keys=False, width=10_000)
        in_force = found["in_force"] == text and found["keys_in_force"] == wanted.get("keys")
        if not (in_force and found["same_image"]):
            alone = document.alone(document.with_keys(config, keys))
            more = {"alone": document.written(alone, found["file"])}
            tried = self._step(args | wanted | more, "try", task_vars)
            if tried.get("failed"):
                raise document.ConfigError(str(tried.get("msg")))
            if tried["refused"]:
                raise document.ConfigError(
                    document.explained(tried["refused"], text, ours, found["file"])
                )
        before = document.read(found["in_force"] or found["text"], "the configuration in force")
        if found["keys_in_force"]:
            before = document.with_keys(before, document.read(found["keys_in_force"], "keys"))
        after = document.with_keys(config, keys)
        return wanted, document.shown(before), document.shown(after)

    def _step(
        self, args: dict[str, Any], step: str, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_args=args | {"step": step}, task_vars=task_vars
        )
        return answer


def _keys(found: dict[str, Any], file: str) -> dict[str, str] | None:
    """All that the server is to accept; the agent in service must be among them."""
    text = found["keys"]
    if text is None:
        return None
    try:
        keys = yaml.safe_load(text)
    except yaml.YAMLError:
        keys = None
    pairs = keys.items() if isinstance(keys, dict) else ()
    if not pairs or not all(isinstance(one, str) for pair in pairs for one in pair):
        raise document.ConfigError(
            f"livekit_server_keys_file: {file} must have lines of `<api key>: <secret>`, both text"
        )
    agent = found["agent_keys"]
    short = sorted(name for name, secret in pairs if len(secret) < SECRET_LENGTH)
    if short and not (agent and short == [agent[0]]):  # one in use has to be replaced first
        raise document.ConfigError(
            f"livekit_server_keys_file: the secret of {short[0]} has less than {SECRET_LENGTH} "
            "characters"
        )
    if agent and keys.get(agent[0]) != agent[1]:
        raise document.ConfigError(
            f"livekit_server_keys_file: {file} lacks the pair of {agent[0]}, with which the agent "
            "in service signs: the server would refuse it. Keep both pairs until no agent and no "
            "app signs with the old one"
        )
    return dict(keys)


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    """What of a module's answer may be told: nothing of a first look but why it failed."""
    keep = ("failed", "msg", "changed", "differs", "image", "host", "notes", "exception")
    return {name: answer[name] for name in keep if name in answer}
