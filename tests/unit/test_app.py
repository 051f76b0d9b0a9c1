"""The app suite: every answer the app's SDK relies on is checked, and the verdict has figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.protocol import models, rtc

from releve.keys import Keys
from releve.probe.app import client, suite
from releve.probe.app.answers import AnswerCheck, Expected
from releve.probe.app.peer import WAYS, Texts
from releve.probe.app.suite import AppCall
from releve.probe.app.texts import Inbox, Text
from releve.probe.caller.join import Server, ServerError
from releve.probe.judgement import gates
from releve.probe.media.echo_search import Echoes

SDP = (
    "v=0\r\nm=audio 9 X 96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 usedtx=1\r\nm=application 9\r\n"
)
Answer = rtc.SignalResponse


def info(**changes: Any) -> models.ParticipantInfo:
    return models.ParticipantInfo(**({"sid": "PA_1", "identity": "me", "version": 1} | changes))


def good() -> dict[str, Answer]:
    """The answers to a call as it should be, by kind."""
    join = rtc.JoinResponse(
        room=models.Room(sid="RM_1", name="room"),
        participant=info(
            permission=models.ParticipantPermission(
                can_subscribe=True, can_publish=True, can_publish_data=True
            )
        ),
        subscriber_primary=True,
        ping_interval=5,
        ping_timeout=15,
        server_info=models.ServerInfo(version="1.9.0", protocol=16),
    )
    track = models.TrackInfo(sid="TR_1", name="mic", type=models.AUDIO, source=models.MICROPHONE)
    agent = info(sid="PA_2", identity="agent-1", tracks=[models.TrackInfo(sid="TR_2")])
    token = jwt.encode({"sub": "me", "video": {"room": "room"}}, "k" * 32)
    return {
        "join": Answer(join=join),
        "offer": Answer(offer=rtc.SessionDescription(type="offer", sdp=SDP)),
        "refresh_token": Answer(refresh_token=token),
        "track_published": Answer(track_published=rtc.TrackPublishedResponse(cid="c", track=track)),
        "answer": Answer(answer=rtc.SessionDescription(type="answer", sdp=SDP)),
        "update": Answer(update=rtc.ParticipantUpdate(participants=[agent])),
        "pong": Answer(pong=1_700_000_000_000),
        "room_update": Answer(room_update=rtc.RoomUpdate(room=models.Room(name="room"))),
    }


def taken(answers: Iterable[Answer]) -> AnswerCheck:
    found = AnswerCheck(Expected("room", "me", "mic"))
    found.expect_track("c")
    for answer in answers:
        # Over the wire and back, as the client gets it.
        found.take(Answer.FromString(answer.SerializeToString()))
    return found


def test_a_call_as_it_should_be_has_no_differences() -> None:
    found = taken(good().values())
    assert found.differences == []
    assert found.owners == {"TR_2": "agent-1"}
    assert found.counts["join"] == 1
    assert found.ended is None


def setting(kind: str, field: str, value: object) -> Callable[[dict[str, Answer]], None]:
    def change(answers: dict[str, Answer]) -> None:
        *way, last = [kind, *field.split(".")]
        place: Any = answers[kind]
        for step in way:
            place = getattr(place, step)
        setattr(place, last, value)

    return change


def putting(kind: str, answer: Answer) -> Callable[[dict[str, Answer]], None]:
    return lambda answers: answers.update({kind: answer})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (setting("join", "room.name", "x"), "join: room.name is 'x', 'room' is needed"),
        (setting("join", "participant.identity", "x"), "join: participant.identity is 'x'"),
        (setting("join", "room.sid", ""), "join: the room has no sid"),
        (setting("join", "participant.sid", ""), "join: a participant has no sid"),
        (setting("join", "participant.permission.can_publish", False), "permission.can_publish"),
        (setting("join", "subscriber_primary", False), "join: subscriber_primary is False"),
        (setting("join", "ping_interval", 0), "join: ping every 0 s, lost after 15 s"),
        (setting("join", "server_info.protocol", 11), "join: the server's protocol is 11"),
        (setting("track_published", "cid", "d"), "track_published: cid is 'd', 'c' was asked"),
        (setting("track_published", "track.source", models.CAMERA), "source is 'CAMERA'"),
        (setting("track_published", "track.muted", True), "track_published: muted is True"),
        (setting("track_published", "track.disable_dtx", True), "disable_dtx is True"),
        (setting("track_published", "track.sid", "1"), "track_published: sid is '1'"),
        (setting("answer", "sdp", SDP.replace("usedtx=1", "")), "answer: no DTX"),
        (setting("answer", "sdp", "v=0"), "answer: no Opus"),
        (setting("answer", "type", "offer"), "answer: type is 'offer'"),
        (setting("offer", "sdp", "v=0"), "offer: no data channels"),
        (setting("room_update", "room.name", "x"), "room_update: room.name is 'x'"),
        (putting("pong", Answer(pong=0)), "pong: the server's clock says 0"),
        (putting("refresh_token", Answer(refresh_token="x")), "refresh_token: not a token"),
        (
            putting("more", Answer(mute=rtc.MuteTrackRequest(sid="TR_1", muted=True))),
            "mute: the server muted our microphone",
        ),
        (
            putting("more", Answer(update=rtc.ParticipantUpdate(participants=[info(sid="")]))),
            "update: a participant has no sid or no identity",
        ),
        (
            putting("more", Answer(update=rtc.ParticipantUpdate(participants=[info(version=0)]))),
            "update: me went back to an older version",
        ),
        (
            putting(
                "more",
                Answer(
                    subscription_permission_update=rtc.SubscriptionPermissionUpdate(
                        track_sid="TR_2", allowed=False
                    )
                ),
            ),
            "subscription_permission_update: we may not hear TR_2",
        ),
        (
            putting(
                "more",
                Answer(
                    request_response=rtc.RequestResponse(
                        reason=rtc.RequestResponse.NOT_ALLOWED, message="no"
                    )
                ),
            ),
            "request_response: NOT_ALLOWED no",
        ),
        (
            putting(
                "more", Answer(track_unpublished=rtc.TrackUnpublishedResponse(track_sid="TR_1"))
            ),
            "track_unpublished: the server took TR_1 from us",
        ),
    ],
)
def test_an_answer_that_differs_is_one_sentence_that_names_it(
    change: Callable[[dict[str, Answer]], None], said: str
) -> None:
    answers = good()
    change(answers)
    (difference,) = taken(answers.values()).differences
    assert said in difference


def test_an_answer_before_the_join_differs_and_what_the_sdk_ignores_does_not() -> None:
    early = [Answer(pong=1), *good().values()]
    assert taken(early).differences == ["pong: came before the join answer"]
    assert taken([*good().values(), good()["join"]]).differences == ["join: came twice"]
    newer = Answer(room_moved=rtc.RoomMovedResponse())
    assert taken([newer, *good().values()]).differences == []
    assert taken([Answer()]).counts == {"unknown": 1}


def test_who_leaves_is_gone_and_why_the_server_ends_it_is_kept() -> None:
    gone = info(sid="PA_2", identity="agent-1", state=models.ParticipantInfo.DISCONNECTED)
    found = taken([*good().values(), Answer(update=rtc.ParticipantUpdate(participants=[gone]))])
    assert [one.identity for one in found.participants.values()] == ["me"]
    found.take(Answer(leave=rtc.LeaveRequest(reason=models.SERVER_SHUTDOWN)))
    assert found.ended == "SERVER_SHUTDOWN"


def stream(*pieces: tuple[int, bytes], length: int | None = None) -> list[models.DataPacket]:
    header = models.DataStream.Header(
        stream_id="s", topic="lk.transcription", text_header=models.DataStream.TextHeader()
    )
    if length is not None:
        header.total_length = length
    return [
        models.DataPacket(participant_identity="agent-1", stream_header=header),
        *(
            models.DataPacket(
                stream_chunk=models.DataStream.Chunk(
                    stream_id="s", chunk_index=number, content=content
                )
            )
            for number, content in pieces
        ),
        models.DataPacket(stream_trailer=models.DataStream.Trailer(stream_id="s")),
    ]


def read(packets: Iterable[models.DataPacket]) -> Inbox:
    inbox = Inbox()
    for packet in packets:
        inbox.take(packet.SerializeToString())
    return inbox


def test_text_is_put_together_from_its_pieces_even_within_a_letter() -> None:
    whole = "hé".encode()
    inbox = read(stream((0, whole[:2]), (1, whole[2:]), length=3))
    assert inbox.texts == [Text("text stream", "agent-1", "hé")]
    assert inbox.differences == []


@pytest.mark.parametrize(
    ("packets", "said"),
    [
        (stream((1, b"a")), "text stream: piece 1 where 0 was due"),
        (stream((0, b"a"), length=2), "text stream: 1 bytes came, 2 were announced"),
        (stream((0, b"a"))[1:2], "text stream: a piece of s, which never began"),
        (stream()[1:], "text stream: the end of s, which never began"),
    ],
)
def test_text_that_came_damaged_is_a_difference(
    packets: list[models.DataPacket], said: str
) -> None:
    assert read(packets).differences == [said]


def call(**changes: Any) -> AppCall:
    heard = Echoes([180.0] * 20, 15.0, 40.0)
    whole: dict[str, Any] = {
        "room": "room",
        "tries": 1,
        "join_s": 0.2,
        "agent": "agent-1",
        "agent_audio_s": 0.8,
        "sent": 20,
        "echoes": heard,
    }
    return AppCall(**(whole | changes))


def judge(found: AppCall, texts: Texts | None = None) -> dict[str, Any]:
    texts = texts or Texts(list(WAYS))
    return suite.probe_object("app", "green", found, texts, gates.of("app"), asked=20)


def test_an_app_that_works_passes() -> None:
    probe = judge(call())
    assert probe["passed"] is True, probe["reason"]
    assert probe["rtt_ms"]["p50"] == 180.0
    assert probe["calls"][0]["rtts_ms"] == [180.0] * 20


@pytest.mark.parametrize(
    ("found", "texts", "said"),
    [
        (call(differences=["join: x"]), None, "join: x; server answers that differ is 1, at most"),
        (call(tries=2), None, "tries until joined is 2, at most 1 is needed"),
        (call(join_s=None), None, "tries until joined: not enough data"),
        (call(agent_audio_s=9.0), None, "slowest agent audio is 9 s, below 8 s is needed"),
        (call(echoes=Echoes([], None, None)), None, "valid fraction of chirps is 0, at least"),
        (call(echoes=Echoes([250.0] * 20, 9.0, 0)), None, "RTT p95 is 250 ms, below 200 ms"),
        (
            call(),
            Texts(list(WAYS[1:])),
            "text stream: did not arrive; ways of text that arrive is 4, at least 5 is needed",
        ),
        (call(), Texts(list(WAYS), ["pong: none"]), "pong: none; server answers that differ is 1"),
    ],
)
def test_what_would_fail_the_app_fails_by_its_figure(
    found: AppCall, texts: Texts | None, said: str
) -> None:
    probe = judge(found, texts)
    assert probe["passed"] is False
    assert said in probe["reason"]


async def test_a_server_that_lets_us_in_and_gives_no_media_is_told_with_what_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.3)
    wrong = good()["join"]
    wrong.join.room.name = "another"

    async def let_in(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_bytes(wrong.SerializeToString())
        async for _ in socket:
            pass
        return socket

    mute = web.Application()
    mute.router.add_get("/rtc", let_in)
    async with TestServer(mute) as server:
        app = client.Client(
            Server(f"ws://127.0.0.1:{server.port}", Keys("key", "s" * 40)), "room", "me"
        )
        with pytest.raises(ServerError, match="let us in, and its media connection is new"):
            await app.open()
        await app.close()
    assert app.tries == 3
    assert app.answers.differences == ["join: room.name is 'another', 'room' is needed"]


async def test_the_app_tries_three_times_and_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.01)
    asked = []

    async def busy(request: web.Request) -> web.Response:
        asked.append((request.path, dict(request.query)))
        raise web.HTTPServiceUnavailable

    refusing = web.Application()
    refusing.router.add_get("/rtc", busy)
    async with TestServer(refusing) as server:
        app = client.Client(
            Server(f"ws://127.0.0.1:{server.port}", Keys("key", "s" * 40)), "room", "me"
        )
        with pytest.raises(ServerError, match="503") as refused:
            await app.open()
    await app.close()
    assert "eyJ" not in str(refused.value)
    assert [path for path, _ in asked] == ["/rtc"] * 3
    for _, query in asked:
        assert query.pop("access_token").startswith("eyJ")
        assert (query["protocol"], query["sdk"], query["adaptive_stream"]) == ("12", "flutter", "1")
