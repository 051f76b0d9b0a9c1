"""What the app's SDK relies on in the server's answers. No I/O: answers in, differences out.

The rules are those of livekit_client 2.4.8 (signal protocol 12): what that SDK reads in an answer
must be there and be right. AnswerCheck that it does not know it leaves alone, and so do we.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import jwt
from livekit.protocol import models, rtc

PROTOCOL = 12
# What the server may send to a newer SDK; 2.4.8 logs it as unknown.
NEWEST_KNOWN = rtc.SignalResponse.RECONNECT_FIELD_NUMBER
_KNOWN = frozenset(
    field.name
    for field in rtc.SignalResponse.DESCRIPTOR.fields
    if field.number <= NEWEST_KNOWN or field.name in ("request_response", "track_subscribed")
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the server's answers must repeat: room, identity, the microphone's name."""

    room: str
    identity: str
    track_name: str


class AnswerCheck:
    """Checks every answer of one connection and lists the differences.

    counts: answers by kind. differences: a sentence for each that is not as the SDK needs it.
    participants: everybody in the room by sid, we included. owners: who published each track
    that was ever announced, identities by sid. ended: why the server asked us to
    leave, or None.
    """

    def __init__(self, asked: Expected) -> None:
        self.counts: Counter[str] = Counter()
        self.differences: list[str] = []
        self.participants: dict[str, models.ParticipantInfo] = {}
        self.owners: dict[str, str] = {}
        self.joined: rtc.JoinResponse | None = None
        self.published: models.TrackInfo | None = None
        self.ended: str | None = None
        self._asked = asked
        self._cid: str | None = None

    def expect_track(self, cid: str) -> None:
        """We have asked to publish the microphone under that id."""
        self._cid = cid

    def take(self, answer: rtc.SignalResponse) -> str:
        """Check one answer, and return its kind ("unknown" for what this protocol lacks)."""
        kind = answer.WhichOneof("message") or "unknown"
        self.counts[kind] += 1
        if kind not in _KNOWN:
            return kind
        if self.joined is None and kind not in ("join", "leave"):
            self.differ(kind, "came before the join answer")
        check = getattr(self, f"_{kind}", None)
        if check is not None:
            check(getattr(answer, kind))
        return kind

    def differ(self, kind: str, what: str) -> None:
        sentence = f"{kind}: {what}"
        if sentence not in self.differences:
            self.differences.append(sentence)

    def _same(self, kind: str, field: str, is_: object, wanted: object) -> None:
        if is_ != wanted:
            self.differ(kind, f"{field} is {is_!r}, {wanted!r} is needed")

    def _join(self, join: rtc.JoinResponse) -> None:
        if self.joined is not None:
            self.differ("join", "came twice")
        self.joined = join
        me, permission = join.participant, join.participant.permission
        self._same("join", "room.name", join.room.name, self._asked.room)
        self._same("join", "participant.identity", me.identity, self._asked.identity)
        for field in ("can_publish", "can_subscribe", "can_publish_data"):
            self._same("join", f"permission.{field}", getattr(permission, field), True)
        # The app's media layer waits for the subscriber's connection.
        self._same("join", "subscriber_primary", join.subscriber_primary, True)
        if not join.room.sid:
            self.differ("join", "the room has no sid")
        if not 0 < join.ping_interval < join.ping_timeout:
            self.differ(
                "join", f"ping every {join.ping_interval} s, lost after {join.ping_timeout} s"
            )
        if join.server_info.protocol < PROTOCOL:
            self.differ("join", f"the server's protocol is {join.server_info.protocol}")
        for participant in (me, *join.other_participants):
            self._seen("join", participant)

    def _update(self, update: rtc.ParticipantUpdate) -> None:
        for participant in update.participants:
            self._seen("update", participant)

    def _seen(self, kind: str, participant: models.ParticipantInfo) -> None:
        if not participant.sid or not participant.identity:
            self.differ(kind, "a participant has no sid or no identity")
            return
        before = self.participants.get(participant.sid)
        if before is not None and participant.version < before.version:
            self.differ(kind, f"{participant.identity} went back to an older version")
            return
        for track in participant.tracks:
            if not track.sid.startswith("TR_"):
                self.differ(kind, f"{participant.identity}'s track has the sid {track.sid!r}")
            self.owners[track.sid] = participant.identity
        if participant.state == models.ParticipantInfo.DISCONNECTED:
            self.participants.pop(participant.sid, None)
        else:
            self.participants[participant.sid] = participant

    def _track_published(self, answer: rtc.TrackPublishedResponse) -> None:
        if answer.cid != self._cid:
            self.differ("track_published", f"cid is {answer.cid!r}, {self._cid!r} was asked for")
            return
        track, kind = answer.track, "track_published"
        self.published = track
        self._same(kind, "name", track.name, self._asked.track_name)
        self._same(kind, "type", models.TrackType.Name(track.type), "AUDIO")
        self._same(kind, "source", models.TrackSource.Name(track.source), "MICROPHONE")
        self._same(kind, "muted", track.muted, False)
        self._same(kind, "disable_dtx", track.disable_dtx, False)
        if not track.sid.startswith("TR_"):
            self.differ(kind, f"sid is {track.sid!r}")

    def _answer(self, answer: rtc.SessionDescription) -> None:
        self._same("answer", "type", answer.type, "answer")
        if "opus/48000/2" not in answer.sdp:
            self.differ("answer", "no Opus in it")
        elif "usedtx=1" not in answer.sdp:
            self.differ("answer", "no DTX, which we asked for")

    def _offer(self, offer: rtc.SessionDescription) -> None:
        self._same("offer", "type", offer.type, "offer")
        if "m=application" not in offer.sdp:
            self.differ("offer", "no data channels in it")

    def _pong(self, milliseconds: int) -> None:
        if milliseconds <= 0:
            self.differ("pong", f"the server's clock says {milliseconds}")

    def _mute(self, mute: rtc.MuteTrackRequest) -> None:
        if self.published is not None and mute.sid == self.published.sid and mute.muted:
            self.differ("mute", "the server muted our microphone")

    def _room_update(self, update: rtc.RoomUpdate) -> None:
        self._same("room_update", "room.name", update.room.name, self._asked.room)

    def _track_unpublished(self, answer: rtc.TrackUnpublishedResponse) -> None:
        self.differ("track_unpublished", f"the server took {answer.track_sid} from us")

    def _subscription_permission_update(self, update: rtc.SubscriptionPermissionUpdate) -> None:
        if not update.allowed:
            self.differ("subscription_permission_update", f"we may not hear {update.track_sid}")

    def _refresh_token(self, token: str) -> None:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            self.differ("refresh_token", f"not a token we could come back with ({error})")
            return
        self._same("refresh_token", "identity", claims.get("sub"), self._asked.identity)
        self._same("refresh_token", "room", claims.get("video", {}).get("room"), self._asked.room)

    def _request_response(self, answer: rtc.RequestResponse) -> None:
        if answer.reason not in (rtc.RequestResponse.OK, rtc.RequestResponse.QUEUED):
            reason = rtc.RequestResponse.Reason.Name(answer.reason)
            self.differ("request_response", f"{reason} {answer.message}".strip())

    def _leave(self, leave: rtc.LeaveRequest) -> None:
        self.ended = models.DisconnectReason.Name(leave.reason)
