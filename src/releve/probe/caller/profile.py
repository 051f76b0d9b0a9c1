"""How our calls look to an agent: what some agents need of a caller, and by what they know ours.

Agents refuse or crash where a room's name, its metadata, the dispatch's or the caller's own is not
what they expect. The file has what a user's own app would send.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

OURS = "releve.probe"  # the attribute that every caller of ours carries, `true`
PREFIX = "releve-"  # of our rooms' names, unless the file says otherwise
_PLACES = {"suite": "", "id": "", "uuid": ""}


class ProfileError(ValueError):
    """The file cannot be used; the message says what to change."""


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


Text = Annotated[str, BeforeValidator(_text)]  # what is no text is sent as JSON


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Profile:
    """Of every room: its name's pattern and its metadata. Of its dispatch: the job's metadata.

    Of its caller: metadata and attributes. `room` has `{id}` (8 hex digits) or `{uuid}`, and may
    have `{suite}`.
    """

    room: str = PREFIX + "{suite}-{id}"
    dispatch_metadata: Text = ""
    room_metadata: Text = ""
    metadata: Text = ""
    attributes: dict[str, Text] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self.room.format(**_PLACES)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(f"room {self.room!r}: write {{suite}}, {{id}} or {{uuid}}") from error
        if not re.search(r"\{(id|uuid)\}", self.room):
            raise ValueError(f"room {self.room!r}: every room needs a name of its own, with {{id}}")
        if reserved := [name for name in self.attributes if name.startswith("releve.")]:
            raise ValueError(f"attribute {reserved[0]}: names that begin with `releve.` are ours")

    def new_room(self, suite: str) -> str:
        """A room's name that no other call has."""
        return self.room.format(suite=suite, id=secrets.token_hex(4), uuid=uuid.uuid4())

    @property
    def all_attributes(self) -> Mapping[str, str]:
        return {**self.attributes, OURS: "true"}


def load(path: Path) -> Profile:
    """Read a profile from YAML or JSON. Raises ProfileError."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: no YAML and no JSON") from error
    try:
        return TypeAdapter(Profile).validate_python(said or {})
    except ValidationError as error:
        # Without the values: metadata may hold what is secret.
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        known = ", ".join(Profile.__dataclass_fields__)
        why = first["msg"].removeprefix("Value error, ")
        raise ProfileError(f"{path}: {where}: {why}; it may have {known}") from None
