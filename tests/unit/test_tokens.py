"""Admission and badges: who may register, and what a job's token says."""

from __future__ import annotations

import datetime
import json
import logging
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import api
from livekit.protocol import models

from releve.gateway.auth import tokens
from releve.keys import Keys
from unit.gateway_standin import keyring

KEYS = Keys("key", "secret-of-more-than-thirty-two-bytes")
OTHERS = Keys("key", "another-secret-of-thirty-two-bytes!!")


RING = keyring(KEYS)


def worker_token(keys: Keys = KEYS, agent: bool = True, minutes: float = 5) -> str:
    return (
        api.AccessToken(keys.api_key, keys.secret)
        .with_grants(api.VideoGrants(agent=agent))
        .with_ttl(datetime.timedelta(minutes=minutes))
        .to_jwt()
    )


def job_claims() -> dict[str, object]:
    """As the server writes them for the gateway's registration."""
    now = int(time.time())
    return {
        "iss": KEYS.api_key,
        "sub": "agent-AJ_1",
        "name": "Coach",
        "nbf": now,
        "exp": now + 86400,
        "kind": "agent",
        "metadata": "m",
        "attributes": {"lang": "fr"},
        "video": {
            "roomJoin": True,
            "agent": True,
            "room": "room-1",
            "canPublish": True,
            "canSubscribe": True,
            "canPublishData": True,
            "canUpdateOwnMetadata": True,
            "canSubscribeMetrics": False,
        },
    }


def signed(claims: dict[str, object], keys: Keys = KEYS) -> str:
    return jwt.encode(claims, keys.secret, algorithm="HS256")


def read(token: str) -> dict[str, object]:
    return jwt.decode(token, KEYS.secret, algorithms=["HS256"])


def test_an_agents_token_opens_the_door() -> None:
    tokens.verify_worker(f"Bearer {worker_token()}", RING)


def test_a_grant_of_a_later_version_does_not_close_the_door() -> None:
    later = signed({"iss": "key", "video": {"agent": True, "somethingNew": 1}})
    tokens.verify_worker(f"Bearer {later}", RING)


def test_the_gateways_own_token_is_an_agents_token() -> None:
    tokens.verify_worker(f"Bearer {tokens.mint_worker(KEYS)}", RING)


UNSIGNED = jwt.encode({"iss": "key", "video": {"agent": True}}, None, algorithm="none")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer ",
        "Bearer garbage",
        "Basic dXNlcjpwYXNz",
        f"bearer {worker_token()}x",
        f"Bearer {worker_token(OTHERS)}",
        f"Bearer {worker_token(Keys('otherkey', KEYS.secret))}",
        f"Bearer {worker_token(minutes=-5)}",
        f"Bearer {worker_token(agent=False)}",
        f"Bearer {UNSIGNED}",
        f"Bearer {signed({'iss': 'key'})}",
        f"Bearer {signed({'iss': 'key', 'video': 'text'})}",
    ],
)
def test_everything_else_is_refused_without_showing_the_token(header: str | None) -> None:
    with pytest.raises(tokens.Refused) as refusal:
        tokens.verify_worker(header, RING)
    shown = str(refusal.value) + repr(refusal.value)
    body = (header or "").partition(" ")[2]
    assert not body or body not in shown
    assert refusal.value.__cause__ is None


def test_remint_changes_the_permissions_and_nothing_else() -> None:
    before = job_claims()
    permission = models.ParticipantPermission(can_subscribe=True, hidden=True)
    after = read(tokens.remint(signed(before), permission, "", RING))
    video = after.pop("video")
    unchanged = before.pop("video")
    assert after == before
    assert video == {
        **unchanged,
        "canPublish": False,
        "canPublishData": False,
        "canUpdateOwnMetadata": False,
        "canSubscribe": True,
        "canSubscribeMetrics": False,
        "hidden": True,
    }


def test_remint_writes_the_workers_own_agent_name_where_the_server_writes_one() -> None:
    """The server knows the name that was asked for, which may be a dark one (v1.9.2 on)."""
    before = job_claims() | {"attributes": {"lk.agent_name": "releve-green", "own": "kept"}}
    after = read(tokens.remint(signed(before), models.ParticipantPermission(), "coach", RING))
    assert after["attributes"] == {"lk.agent_name": "coach", "own": "kept"}


def test_remint_does_not_judge_the_servers_clock() -> None:
    """A server a minute ahead signs tokens that are not valid here yet."""
    claims = job_claims()
    claims["nbf"] = claims["iat"] = int(time.time()) + 60
    token = tokens.remint(signed(claims), models.ParticipantPermission(hidden=True), "", RING)
    late = jwt.decode(token, KEYS.secret, algorithms=["HS256"], leeway=120)
    assert late["video"]["hidden"] is True
    assert late["nbf"] == claims["nbf"]


def test_a_token_signed_by_others_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    foreign = signed(job_claims(), OTHERS)
    with caplog.at_level(logging.WARNING):
        assert tokens.remint(foreign, models.ParticipantPermission(), "", RING) == foreign
    assert "left as it is" in caplog.text
    assert foreign not in caplog.text


def anything_signed(said: dict[str, object]) -> str:
    """Whatever is said, with the right signature; jwt.encode would see to its types."""
    return jwt.PyJWS().encode(json.dumps(said).encode(), KEYS.secret, "HS256")


claims = st.dictionaries(
    st.sampled_from(["iss", "sub", "exp", "nbf", "video", "kind", "attributes"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=4,
    ),
)


@given(
    st.text(max_size=50)
    | st.text(max_size=50).map("Bearer {}".format)
    | claims.map(lambda said: f"Bearer {anything_signed({'iss': KEYS.api_key} | said)}")
)
def test_whatever_a_stranger_shows_is_refused_in_one_way(header: str) -> None:
    """Signed or not: none of these carries the agent grant."""
    with pytest.raises(tokens.Refused):
        tokens.verify_worker(header, RING)
