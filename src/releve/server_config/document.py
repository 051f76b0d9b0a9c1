"""The configuration that the server gets: the inventory's keys over the user's own file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from .check import IN_A_URL, SETTING, Config, at_odds, leaves, wrong

SECRET = re.compile(r"password|secret|credential|token", re.IGNORECASE)
HIDDEN = "(secret)"
HEAD = "# Made by Relève from {file} and `livekit_server_config`; change those.\n"
KEYS_INSIDE = "/etc/livekit.releve.keys.yaml"  # as plugins/module_utils/server/place.py mounts it
# Of the server's own settings, what cannot be tried in a container without a network.
NOT_ALONE = ("redis", "bind_addresses")


class ConfigError(Exception):
    """The configuration cannot be used; the message says which key, and holds no secret."""


def read(text: str, where: str) -> dict[str, Any]:
    """The user's own file. Raises ConfigError."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where} is no YAML{line}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{where} is no map of settings")
    return found


def merged(theirs: Config, ours: Config) -> dict[str, Any]:
    """Theirs with ours in it: maps by their keys, lists as a whole; null takes a key away."""
    found = dict(theirs)
    for name, value in ours.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            below = found.get(name)
            found[name] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            found[name] = value
    return found


def configured(theirs: Config, ours: Config, keys: Mapping[str, str] | None) -> dict[str, Any]:
    """The whole configuration; `keys`, where given, are all that the server accepts.

    Raises ConfigError with every sentence that there is to say.
    """
    said = wrong(ours)
    if said:
        raise ConfigError("; ".join(said))
    config = merged(theirs, ours)
    if keys is not None:
        config.pop("keys", None)
        config["key_file"] = KEYS_INSIDE
    said = at_odds(config | ({"keys": keys} if keys is not None else {}))
    if said:
        raise ConfigError("; ".join(said))
    return config


def written(config: Config, file: str) -> str:
    """As YAML, with where it comes from."""
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=10_000)
    return HEAD.format(file=file) + text


def with_keys(config: Config, keys: Mapping[str, str] | None) -> dict[str, Any]:
    """With the pairs of a keys file of ours in it, as they are tried and shown."""
    if keys is None:
        return dict(config)
    return {name: one for name, one in config.items() if name != "key_file"} | {"keys": dict(keys)}


def alone(config: Config) -> dict[str, Any]:
    """What of it a server can be started with beside the one that runs: no network, no cluster."""
    found = {name: value for name, value in config.items() if name not in NOT_ALONE}
    rtc = {name: value for name, value in (found.get("rtc") or {}).items() if name != "interfaces"}
    rtc |= {"use_external_ip": False, "node_ip": rtc.get("node_ip") or "127.0.0.1"}
    return found | {"rtc": rtc}


def shown(config: Config) -> str:
    """For people: secrets by their names only."""
    return yaml.safe_dump(_shown(dict(config)), sort_keys=False, allow_unicode=True, width=10_000)


def _shown(value: Any, name: str = "") -> Any:
    if name == "keys" and isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    if isinstance(value, Mapping):
        return {key: _shown(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if SECRET.search(name):
        return HIDDEN
    return IN_A_URL.sub(f"{HIDDEN}@", value) if isinstance(value, str) else value


def explained(said: str, text: str, ours: Config, file: str) -> str:
    """What the server says of a written configuration, with the keys of the lines it names."""
    lines = _lines(text)
    mine = dict(leaves(ours))
    sentences = []
    for number, why in re.findall(r"line (\d+): (.+)", said):
        path = lines.get(int(number), "")
        why = re.sub(r" in type \S+|^yaml: ", "", why).strip()
        if path.startswith("keys") or SECRET.search(path):
            why = re.sub(r"`[^`]*`", HIDDEN, why)
        of_us = any(path == key or path.startswith((f"{key}.", f"{key}[")) for key in mine)
        where = f"{SETTING}.{path}" if of_us else f"{path} in {file}"
        sentences.append(f"{where}: the server says: {why}")
    return "; ".join(sentences) or f"the server says: {_last(said)}"


def _last(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def _lines(text: str) -> dict[int, str]:
    """By line, counted from 1, the key that stands there."""
    found: dict[int, str] = {}

    def walk(node: yaml.Node, above: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                path = f"{above}.{key.value}" if above else str(key.value)
                found[key.start_mark.line + 1] = path
                walk(value, path)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                found.setdefault(value.start_mark.line + 1, f"{above}[{number}]")
                walk(value, f"{above}[{number}]")

    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is not None:
        walk(node, "")
    return found
