"""Tokens at the gateway: verify a worker's, and re-mint the one a job joins its room with."""

from __future__ import annotations

import datetime
import logging
from typing import Any

import jwt
from livekit import api
from livekit.protocol import models

from releve.gateway.auth.api_keys import Keyring
from releve.keys import Keys

log = logging.getLogger(__name__)


SIGNATURE_ONLY: Any = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


class Refused(Exception):
    """The worker's token does not open this door; the text never holds the token."""


def verify_worker(header: str | None, ring: Keyring) -> None:
    """Accept `Bearer <jwt>` signed with a key in force and carrying the agent grant, as the server
    does.

    Raises Refused.
    """
    if header is None or not header.startswith("Bearer "):
        raise Refused("no bearer token")
    token = header.removeprefix("Bearer ")
    try:
        keys = _signer(token, ring)
        if keys is None:
            raise Refused("signed with a key that is not in force")
        claims = api.TokenVerifier(keys.api_key, keys.secret).verify(token)
    except Refused:
        raise
    except jwt.PyJWTError as error:
        raise Refused(type(error).__name__) from None
    except Exception as error:  # the SDK parses claims without checks: any surprise is a refusal
        raise Refused(f"malformed claims ({type(error).__name__})") from None
    if claims.video is None or not claims.video.agent:
        raise Refused("token has no agent grant")


def _signer(token: str, ring: Keyring) -> Keys | None:
    """The key that the token says it is signed with, which its signature has yet to prove."""
    issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    return ring.find(issuer) if isinstance(issuer, str) else None


def mint_worker(keys: Keys) -> str:
    """The token with which the gateway registers itself as a worker."""
    grants = api.VideoGrants(agent=True)
    return (
        api.AccessToken(keys.api_key, keys.secret)
        .with_grants(grants)
        .with_ttl(datetime.timedelta(minutes=5))
        .to_jwt()
    )


AGENT_NAME = "lk.agent_name"


def remint(
    token: str, permission: models.ParticipantPermission, agent_name: str, ring: Keyring
) -> str:
    """The job's token with the permissions and the agent name of the worker that will use it.

    The server fills in those of the worker that registered, which is the gateway (method:
    livekit/protocol agent/token.go, BuildAgentToken; the name from v1.9.2 on). Everything else
    stays as the server wrote it.
    """
    for keys in ring.pairs:
        try:
            # Only the signature counts: whether it is valid yet is for the server's clock to say.
            claims: dict[str, Any] = jwt.decode(
                token, keys.secret, algorithms=["HS256"], options=SIGNATURE_ONLY
            )
            break
        except jwt.PyJWTError as error:
            why = type(error).__name__
    else:
        # Signed by another key, as LiveKit Cloud may: only its owner can change it.
        log.warning("job token left as it is", extra={"why": why})
        return token
    video = dict(claims.get("video", {}))
    video.update(
        canSubscribe=permission.can_subscribe,
        canPublish=permission.can_publish,
        canPublishData=permission.can_publish_data,
        canUpdateOwnMetadata=permission.can_update_metadata,
        canSubscribeMetrics=permission.can_subscribe_metrics,
        hidden=permission.hidden,
    )
    claims["video"] = video
    attributes = claims.get("attributes")
    if isinstance(attributes, dict) and AGENT_NAME in attributes:
        claims["attributes"] = attributes | {AGENT_NAME: agent_name}
    return jwt.encode(claims, keys.secret, algorithm="HS256")
