"""How our calls look to an agent: what the file may say, and that every call can be told by it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from livekit import api

from releve.keys import Keys
from releve.probe.caller import profile
from releve.probe.caller.join import Server, join_token

KEYS = Keys("key", "s" * 40)


def claims(server: Server, room: str) -> api.access_token.Claims:
    return api.TokenVerifier(KEYS.api_key, KEYS.secret).verify(join_token(server, room, "caller"))


def test_every_caller_of_ours_can_be_told_by_an_attribute_and_its_rooms_by_their_prefix() -> None:
    server = Server("ws://x", KEYS)
    room = server.new_room("echo")
    assert room.startswith("releve-echo-")
    told = claims(server, room)
    assert told.attributes == {"releve.probe": "true"}
    assert told.room_config is not None
    assert not told.room_config.agents, "the server dispatches as for any user"
    assert server.new_room("echo") != room


def test_a_profile_is_what_a_users_own_app_would_send(tmp_path: Path) -> None:
    path = tmp_path / "caller.yaml"
    path.write_text(
        "room: acme_{uuid}_fr\n"
        "dispatch_metadata: {tenant: acme}\n"
        "room_metadata: lesson 7\n"
        "metadata: [1, 2]\n"
        "attributes: {plan: gold}\n"
    )
    server = Server("ws://x", KEYS, "coach", profile.load(path))
    room = server.new_room("echo")
    assert room.startswith("acme_")
    assert room.endswith("_fr")
    told = claims(server, room)
    assert told.attributes == {"plan": "gold", "releve.probe": "true"}
    assert told.metadata == "[1, 2]"
    assert told.room_config is not None
    assert not told.room_config.metadata, "v1.8.4 refuses a token that has it"
    (dispatch,) = told.room_config.agents
    assert (dispatch.agent_name, json.loads(dispatch.metadata)) == ("coach", {"tenant": "acme"})


def test_metadata_reaches_an_agent_without_a_name_too() -> None:
    server = Server("ws://x", KEYS, None, profile.Profile(dispatch_metadata="x"))
    told = claims(server, "r")
    assert told.room_config is not None
    (dispatch,) = told.room_config.agents
    assert (dispatch.agent_name, dispatch.metadata) == ("", "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("room: lesson", "every room needs a name of its own, with {id}"),
        ("room: 'lesson-{id}-{number}'", "write {suite}, {id} or {uuid}"),
        ("room: 'lesson-{id'", "write {suite}, {id} or {uuid}"),
        ("attributes: {releve.probe: 'no'}", "names that begin with `releve.` are ours"),
        ("dispatch_metdata: s3cret", "it may have room, dispatch_metadata,"),
        ("attributes: s3cret", "attributes: "),
        ("- s3cret", ": it: "),
        ("a: b: c", "no YAML and no JSON"),
    ],
)
def test_a_profile_that_cannot_be_is_a_sentence_without_what_it_holds(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "caller.yaml"
    path.write_text(text)
    with pytest.raises(profile.ProfileError) as error:
        profile.load(path)
    assert said in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "s3cret" not in "".join(traceback.format_exception(error.value))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(profile.ProfileError, match="No such file"):
        profile.load(tmp_path / "caller.yaml")
