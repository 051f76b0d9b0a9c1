"""What the inventory says of a release: only what differs from what runs."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
BUILD = ("context", "dockerfile", "args", "target", "on")
PLACES = ("target", "control")
ITS_OWN = "LIVEKIT_URL is the gateway's address in every release; leave it out"


class ReleaseError(Exception):
    """A release that cannot be brought in; the message says what to change."""


@dataclass(frozen=True)
class Build:
    """What `docker build` is called with; the context lies `on` the target or the control node."""

    context: str
    dockerfile: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    on: str = "target"


@dataclass(frozen=True)
class Release:
    """A release as the inventory has it; what is None or absent stays as it is in service.

    In maps, None takes away what is there. `replicas` are as many containers, each as the others.
    """

    image: str | None = None
    build: Build | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    volumes: Mapping[str, str | None] = field(default_factory=dict)
    tmpfs: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    extra_hosts: Mapping[str, str | None] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    user: str | None = None
    working_dir: str | None = None
    hostname: str | None = None
    memory: int | None = None
    shm_size: int | None = None
    cpus: float | None = None
    stop_seconds: int | None = None
    replicas: int | None = None


def read(said: Mapping[str, Any]) -> Release:
    """A release from the inventory's `release`. Raises ReleaseError with a sentence."""
    for name in said:
        if name not in READERS:
            raise ReleaseError(f"release.{name} is no setting of a release; {_near(name, READERS)}")
    given = {name: value for name, value in said.items() if value is not None}
    found = {name: READERS[name](f"release.{name}", value) for name, value in given.items()}
    if found.get("image") and found.get("build"):
        raise ReleaseError("release has both image and build; leave one of them out")
    if "LIVEKIT_URL" in found.get("environment", {}):
        raise ReleaseError(f"release.environment: {ITS_OWN}")
    return Release(**found)


def _near(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, list(known), 1, 0.0)[0]
    return f"the nearest is {nearest}; there are {', '.join(known)}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ReleaseError(f"{name} must be text, and is {_kind(value)}")


def _word(name: str, value: Any) -> str:
    text = _text(name, value)
    if not text.strip():
        raise ReleaseError(f"{name} is empty; leave it out, or say what it is to be")
    return text


def _words(name: str, value: Any) -> tuple[str, ...]:
    """A list of words, or a line as a shell takes it apart."""
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise ReleaseError(f"{name} cannot be taken apart into words: {error}") from error
    if not isinstance(value, list):
        raise ReleaseError(f"{name} must be a line or a list of words, and is {_kind(value)}")
    return tuple(_text(name, one) for one in value)


def _files(name: str, value: Any) -> tuple[str, ...]:
    many = value if isinstance(value, list) else [value]
    return tuple(_path(name, one) for one in many)


def _path(name: str, value: Any) -> str:
    path = _word(name, value)
    if not PurePosixPath(path).is_absolute():
        raise ReleaseError(f"{name} names {path}; it must be a whole path on the target")
    return path


def _map(of_name: Callable[[str], str | None], of_value: Callable[[str, Any], str]) -> Any:
    """A reader of names with values; `of_name` says what is wrong with a name."""

    def reader(name: str, value: Any) -> dict[str, str | None]:
        if not isinstance(value, dict):
            raise ReleaseError(
                f"{name} must be a map of names to values, and is {_kind(value)}; a value of null "
                "takes away what is there"
            )
        found: dict[str, str | None] = {}
        for key, one in value.items():
            if wrong := of_name(str(key)):
                raise ReleaseError(f"{name}: {wrong}")
            found[str(key)] = None if one is None else of_value(f"{name}.{key}", one)
        return found

    return reader


def _a_variable(name: str) -> str | None:
    return f"{name!r} is no name of a variable" if not name or set(name) & set("=\0") else None


def _a_name(name: str) -> str | None:
    return f"{name!r} is no name" if not name or "/" in name else None


def _a_place(name: str) -> str | None:
    if PurePosixPath(name).is_absolute():
        return None
    return f"{name} is no place in the container; write `/place/in/it: source` or `source:ro`"


def _source(name: str, value: Any) -> str:
    source = _word(name, value).partition(":")[0]
    if "/" in source and not source.startswith("/"):
        raise ReleaseError(f"{name} is {source}: neither a whole path nor the name of a volume")
    return _word(name, value)


def _bytes(name: str, value: Any) -> int:
    text = _text(name, value).strip().lower().removesuffix("ib")
    number, unit = text, ""
    if text and text[-1] == "b" and text[-2:-1] in tuple("kmg"):
        text = text[:-1]
    if text and not text[-1].isdigit():
        number, unit = text[:-1], text[-1]
    try:
        return int(float(number) * UNITS[unit])
    except (ValueError, KeyError) as error:
        raise ReleaseError(f"{name} is {value!r}; write 512m or 2g") from error


def _number(kind: Callable[[Any], Any]) -> Any:
    def reader(name: str, value: Any) -> Any:
        try:
            found = kind(_text(name, value))
        except ValueError as error:
            raise ReleaseError(f"{name} is {value!r}, and must be a number") from error
        if not 0 < found < 1 << 31:
            raise ReleaseError(f"{name} is {value!r}, and must be more than 0")
        return found

    return reader


def _build(name: str, value: Any) -> Build:
    if not isinstance(value, dict):
        value = {"context": value}
    for key in value:
        if key not in BUILD:
            raise ReleaseError(f"{name}.{key} is no setting of a build; {_near(key, BUILD)}")
    if "context" not in value:
        raise ReleaseError(f"{name} has no context: the folder of what is built")
    on = value.get("on", PLACES[0])
    if on not in PLACES:
        raise ReleaseError(f"{name}.on is {on!r}, and must be {' or '.join(PLACES)}")
    args = _map(_a_variable, _text)(f"{name}.args", value.get("args") or {})
    return Build(
        _path(f"{name}.context", value["context"]),
        dockerfile=_optional(f"{name}.dockerfile", value.get("dockerfile")),
        args={key: one or "" for key, one in args.items()},
        target=_optional(f"{name}.target", value.get("target")),
        on=on,
    )


def _optional(name: str, value: Any) -> str | None:
    return None if value is None else _word(name, value)


def _kind(value: Any) -> str:
    return {list: "a list", dict: "a map", type(None): "null"}.get(type(value), repr(value))


READERS: dict[str, Callable[[str, Any], Any]] = {
    "image": _word,
    "build": _build,
    "environment": _map(_a_variable, _text),
    "env_files": _files,
    "secrets": _map(_a_name, _path),
    "volumes": _map(_a_place, _source),
    "tmpfs": _map(_a_place, _text),
    "labels": _map(_a_variable, _text),
    "extra_hosts": _map(_a_variable, _word),
    "command": _words,
    "entrypoint": _words,
    "user": _word,
    "working_dir": _path,
    "hostname": _word,
    "memory": _bytes,
    "shm_size": _bytes,
    "cpus": _number(float),
    "stop_seconds": _number(int),
    "replicas": _number(int),
}


def env_file(path: str, text: str) -> dict[str, str]:
    """The variables of a file of `NAME=value` lines, as Compose reads it. Raises ReleaseError."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        where = f"{Path(path)} line {number}"
        if not equals or not name.strip() or " " in name.strip():
            raise ReleaseError(f"{where} is no line of the form NAME=value")
        found[name.strip()] = _env_value(where, value.strip())
    return found


def _env_value(where: str, value: str) -> str:
    quote = value[:1]
    if quote in ("'", '"'):
        end = value.find(quote, 1)
        if end < 0:
            raise ReleaseError(f"{where} opens a quotation and does not close it")
        value = value[1:end]
        if quote == "'":
            return value
        value = value.replace("\\n", "\n")
    else:
        value = value.partition(" #")[0].rstrip()
    if "${" in value:
        raise ReleaseError(f"{where} refers to another variable; write its value there")
    return value
