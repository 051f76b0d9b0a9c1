"""The API client: livekit-api 0.5.1 to 1.0.3. Rooms, egress, ingress and tokens read the same."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Finding, Rule
from releve.upgrade.syntax.edit import argument

TRUNK = Rule(
    "api-sip-trunk",
    "api",
    "lkapi.sip.create_sip_trunk(…), lkapi.sip.list_sip_trunk(…)",
    "create_sip_inbound_trunk(…) and create_sip_outbound_trunk(…), list_sip_inbound_trunk(…) and list_sip_outbound_trunk(…)",
    False,
    "one trunk had both directions; which of its fields go to which is yours to say",
)
CLAIMS = Rule(
    "api-token-claims",
    "api",
    "token.claims.video.room = …",
    "token.with_grants(api.VideoGrants(…))",
    False,
    "claims.video is None until grants are given",
)
ROOM_AGENT = Rule(
    "api-room-agent",
    "api",
    "api.CreateRoomRequest(agent=…), (config_name=…)",
    "agents=[api.RoomAgentDispatch(agent_name=…)], room_preset=…",
    False,
    "v1's protocol does not have these fields: a room may have several agents",
)
TWIRP = Rule(
    "api-twirp-error",
    "api",
    "api.TwirpError(code, msg)",
    "api.TwirpError(code, msg, status=…)",
    False,
    "the HTTP status is required",
)
RULES = (TRUNK, CLAIMS, ROOM_AGENT, TWIRP)


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for node in code.all(cst.Attribute):
        if node.attr.value in ("create_sip_trunk", "list_sip_trunk"):
            known = kinds.of(node.value) == "api.SipService"
            if known or (isinstance(node.value, cst.Attribute) and node.value.attr.value == "sip"):
                yield Finding(TRUNK, node, TRUNK.v1)
        elif (
            node.attr.value == "video"
            and isinstance(node.value, cst.Attribute)
            and node.value.attr.value == "claims"
        ):
            set_to = code.within(node, cst.AssignTarget)
            if set_to is not None and code.text(set_to.target).startswith(code.text(node) + "."):
                yield Finding(CLAIMS, node, CLAIMS.v1)
    for call in code.calls("api.CreateRoomRequest", "protocol.room.CreateRoomRequest"):
        if argument(call.args, "agent") or argument(call.args, "config_name"):
            yield Finding(ROOM_AGENT, call, ROOM_AGENT.v1)
    for call in code.calls("api.TwirpError"):
        if argument(call.args, "status") is None:
            yield Finding(TWIRP, call, TWIRP.v1)
