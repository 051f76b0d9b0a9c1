"""A live call changes its agent: exactly one at the end, the old one where anything fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.handover import asking, back, ends, handovers, steps
from releve.gateway.handover.model import Call, Context
from releve.gateway.upkeep import redispatch
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, StandInWorker, registered, until
from unit.test_gateway_operator import type_

AUDIO, VIDEO = models.TrackType.AUDIO, models.TrackType.VIDEO
CALLER = models.ParticipantInfo(identity="caller", tracks=[models.TrackInfo(type=AUDIO)])
ROOM = "room"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(steps, "ARRIVE_SECONDS", 0.5)
    monkeypatch.setattr(steps, "LEAVE_SECONDS", 0.1)
    monkeypatch.setattr(steps, "REMOVE_SECONDS", 0.03)
    monkeypatch.setattr(back, "LATE_SECONDS", 1.0)
    monkeypatch.setattr(back, "LATE_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(ends, "SETTLE_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.05)


class Told:
    """What the old agent tells; nothing unless told otherwise."""

    def __init__(self) -> None:
        self.context: Context | None = None
        self.asked: list[tuple[str, float]] = []

    async def ask(self, _asking: asking.Asking, call: Call, seconds: float) -> Context | None:
        self.asked.append((call.identity, seconds))
        return self.context


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(asking.Asking, "ask", lambda *args: told.ask(*args))
    return told


class Arrivals:
    """Agents that join as soon as they are told to, with what they publish."""

    def __init__(self, server: StandInServer) -> None:
        self.server = server
        self.tracks = [models.TrackInfo(type=AUDIO)]
        self.come = True
        self.identity = ""
        self.waiting: list[tuple[str, models.ParticipantInfo]] = []
        server.assigned = self.assigned

    def assigned(self, job: proto.Job, said: proto.AvailabilityResponse) -> None:
        who = models.ParticipantInfo(
            identity=self.identity or f"{said.participant_identity}-{job.id}",
            kind=models.ParticipantInfo.Kind.AGENT,
            attributes=said.participant_attributes,
            tracks=self.tracks,
        )
        self.waiting.append((job.room.name, who))
        if self.come:
            self.join()

    def join(self) -> None:
        for room, who in self.waiting:
            there = self.server.people.setdefault(room, [])
            self.server.people[room] = [it for it in there if it.identity != who.identity]
            self.server.people[room].append(who)
        self.waiting.clear()


@pytest.fixture
def arrivals(server: StandInServer) -> Arrivals:
    return Arrivals(server)


@pytest.fixture
async def house(
    gateway: Running, server: StandInServer, arrivals: Arrivals
) -> AsyncIterator[dict[str, StandInWorker]]:
    """A worker of each colour, blue's in a call whose room asked with metadata."""
    async with AsyncExitStack() as stack:
        workers = {
            "blue": await stack.enter_async_context(
                registered(gateway.workers, gateway.blue, "blue")
            ),
            "green": await stack.enter_async_context(
                registered(gateway.workers, gateway.green, "green")
            ),
        }
        await opened(server)
        server.dispatched = lambda wanted, made: server.dispatch(
            wanted.room, wanted.agent_name, dispatch_id=made, metadata=wanted.metadata
        )
        yield workers


async def opened(server: StandInServer, room: str = ROOM, **more: Any) -> str:
    """A room with a caller and its agent, whose identity is returned."""
    server.people[room] = [CALLER]
    assert await server.dispatch(room, metadata="user 7", **more)
    (agent,) = agents(server, room)
    return agent


def agents(server: StandInServer, room: str = ROOM) -> list[str]:
    kind = models.ParticipantInfo.Kind.AGENT
    return [it.identity for it in server.people[room] if it.kind == kind]


async def begin(gateway: Running, **parts: Any) -> dict[str, Any]:
    body = {"by": "operator", "without_context": True, "every": 0, **parts}
    status, said = await gateway.admin("POST", "/handover", body)
    assert status == 200, said
    return dict(said)


async def over(gateway: Running) -> dict[str, Any]:
    """The handover at its end."""
    async with asyncio.timeout(10):
        while True:
            said = (await gateway.admin("GET", "/handover"))[1]
            if said["phase"] not in ("running", "cancelling"):
                return dict(said)
            await asyncio.sleep(0.01)


async def moved(gateway: Running, **parts: Any) -> dict[str, Any]:
    """The one room, at the end of its handover."""
    await begin(gateway, **(parts or {"room": ROOM}))
    (room,) = (await over(gateway))["rooms"]
    return dict(room)


# -- there -----------------------------------------------------------------------------------


async def test_the_new_agent_comes_by_its_dark_name_with_the_rooms_metadata_and_the_old_one_leaves(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    (old,) = agents(server)
    room = await moved(gateway)
    assert (room["state"], room["old"], room["context"]) == ("new", old, False)
    assert agents(server) == [room["new"]]
    assert house["green"].rooms == [ROOM]
    assert server.removed == [old]
    (asked,) = server.requests
    assert (asked.agent_name, asked.metadata) == ("releve-green", "user 7")
    assert room["overlap_ms"] >= 0


async def test_should_the_new_one_die_later_the_rooms_own_dispatch_is_made_again(
    gateway: Running,
    server: StandInServer,
    house: dict[str, StandInWorker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under the dark name nobody would come once that colour is cordoned."""
    monkeypatch.setattr(ends, "SETTLE_SECONDS", 0.0)  # it is not looked at any more
    await moved(gateway)
    (new,) = agents(server)
    server.dispatched = None
    await house["green"].socket.close()
    server.leaves(ROOM, new)
    await until(lambda: len(server.requests) == 2)
    assert (server.requests[1].agent_name, server.requests[1].metadata) == ("", "user 7")


async def test_there_and_back_again_leaves_no_dispatch_of_ours(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    own = set(server.dispatches[ROOM])
    assert (await moved(gateway, colour="blue"))["to"] == "green"
    assert (await moved(gateway, colour="green"))["to"] == "blue"
    assert house["blue"].rooms == [ROOM, ROOM]
    assert len(agents(server)) == 1
    left = {it.agent_name for key, it in server.dispatches[ROOM].items() if key not in own}
    assert left == {"releve-blue"}


async def test_rooms_without_an_open_microphone_come_first(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    muted = models.TrackInfo(type=AUDIO, muted=True)
    await opened(server, "muted")
    await opened(server, "talking")
    server.people["muted"][0] = models.ParticipantInfo(identity="caller", tracks=[muted])
    said = await begin(gateway, colour="blue")
    assert said["rooms"][0]["room"] == "muted"
    assert (await over(gateway))["counts"] == {"new": 3}
    assert house["green"].rooms[0] == "muted"
    for room in (ROOM, "muted", "talking"):
        assert len(agents(server, room)) == 1


async def test_so_many_at_once_and_no_more(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    for number in range(5):
        await opened(server, f"room-{number}")
    arrivals.come = False
    await begin(gateway, colour="blue", at_once=2)
    await until(lambda: len(arrivals.waiting) == 2)
    said = (await gateway.admin("GET", "/handover"))[1]
    assert said["counts"] == {"arriving": 2, "waiting": 4}
    arrivals.come = True
    arrivals.join()
    assert (await over(gateway))["counts"] == {"new": 6}


async def test_two_hundred_rooms_have_one_agent_each_at_the_end(
    gateway: Running,
    server: StandInServer,
    house: dict[str, StandInWorker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "ARRIVE_SECONDS", 30.0)
    for number in range(199):
        await opened(server, f"room-{number}")
    said = await begin(gateway, colour="blue", at_once=20)
    assert len(said["rooms"]) == 200
    async with asyncio.timeout(120):
        while said["phase"] == "running":
            await asyncio.sleep(0.1)
            said = (await gateway.admin("GET", "/handover"))[1]
    assert said["counts"] == {"new": 200}
    assert {room: len(agents(server, room)) for room in server.people} == dict.fromkeys(
        server.people, 1
    )
    assert len(house["green"].rooms) == 200


async def test_an_agent_that_only_listens_is_replaced_by_one_that_only_listens(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    arrivals.tracks = [models.TrackInfo(type=VIDEO)]
    await opened(server, "listening")
    room = await moved(gateway, room="listening")
    assert (room["state"], agents(server, "listening")) == ("new", [room["new"]])


async def test_agents_of_one_identity_the_new_one_is_never_sent_out(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    """The server has sent the old one away by itself when the new one joined."""
    arrivals.identity = "coach"
    await opened(server, "one")
    room = await moved(gateway, room="one")
    assert (room["state"], agents(server, "one"), server.removed) == ("new", ["coach"], [])


# -- context ---------------------------------------------------------------------------------


async def test_the_context_goes_to_the_new_agent_beside_the_rooms_own_metadata(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], told: Told
) -> None:
    told.context = {"history": ["forty-two"]}
    (old,) = agents(server)
    room = await moved(gateway, room=ROOM, without_context=False, context_seconds=1.5)
    assert (room["state"], room["context"]) == ("new", True)
    assert told.asked == [(old, 1.5)]
    assert json.loads(house["green"].assigned[0].job.metadata) == {
        "metadata": "user 7",
        "releve_handover": {"from": old, "context": told.context},
    }


async def test_without_a_context_a_call_stays_where_that_is_not_allowed(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    room = await moved(gateway, room=ROOM, without_context=False)
    assert (room["state"], room["context"]) == ("old", False)
    assert "context" in room["why"]
    assert (server.requests, server.removed) == ([], [])


# -- back ------------------------------------------------------------------------------------


async def stays(gateway: Running, server: StandInServer, **parts: Any) -> dict[str, Any]:
    """The one room keeps its old agent, and nothing of ours is left there."""
    (old,) = [it for it in agents(server) if it.startswith("agent-blue")]
    own = set(server.dispatches[ROOM])
    room = await moved(gateway, **parts)
    assert room["state"] == "old", room
    assert agents(server) == [old]
    assert set(server.dispatches[ROOM]) == own
    return room


async def test_a_new_agent_that_is_not_heard_is_sent_out(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    arrivals.tracks = [models.TrackInfo(type=AUDIO, muted=True)]
    assert "was not heard" in (await stays(gateway, server))["why"]


async def test_a_new_agent_that_comes_too_late_is_sent_out_when_it_comes(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    arrivals.come = False
    assert "did not come" in (await stays(gateway, server))["why"]
    (old,) = agents(server)
    arrivals.join()
    await until(lambda: agents(server) == [old])
    assert old not in server.removed


async def test_a_slow_one_is_waited_for(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    arrivals.come = False
    await begin(gateway, room=ROOM)
    await until(lambda: bool(arrivals.waiting))
    asked = server.questions["ListParticipants"]
    await until(lambda: server.questions["ListParticipants"] > asked + 5)
    arrivals.join()
    assert (await over(gateway))["counts"] == {"new": 1}


async def test_a_new_agent_that_crashes_after_joining_leaves_the_old_one_alone(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    arrivals.tracks = []
    (old,) = agents(server)
    own = set(server.dispatches[ROOM])
    await begin(gateway, room=ROOM)
    await until(lambda: len(agents(server)) == 2 and len(house["green"].assigned) == 1)
    failed = proto.WorkerMessage()
    failed.update_job.job_id = house["green"].assigned[0].job.id
    failed.update_job.status = proto.JobStatus.JS_FAILED
    await house["green"].send(failed)
    (room,) = (await over(gateway))["rooms"]
    assert (room["state"], "ended before" in room["why"]) == ("old", True)
    assert agents(server) == [old]
    assert set(server.dispatches[ROOM]) == own


async def test_a_new_agent_that_is_dead_when_the_old_one_has_left_is_replaced(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    await moved(gateway)
    server.dispatched = None
    server.leaves(ROOM, agents(server)[0])  # its worker is connected: nobody else would look
    job = house["green"].assigned[0].job.id
    await server.terminate(job, "releve-green")
    await until(lambda: len(server.requests) == 2)
    assert (server.requests[1].agent_name, server.requests[1].metadata) == ("", "user 7")


async def test_an_old_agent_that_does_not_leave_stays_alone(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    server.stubborn = set(agents(server))
    assert "did not leave" in (await stays(gateway, server))["why"]


async def test_nobody_takes_it_the_old_one_stays(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    house["green"].accepts = False
    assert "did not come" in (await stays(gateway, server))["why"]


@pytest.mark.parametrize("closed", [True, False])
async def test_a_call_that_ends_meanwhile_leaves_no_agent_of_ours(
    gateway: Running,
    server: StandInServer,
    house: dict[str, StandInWorker],
    arrivals: Arrivals,
    closed: bool,
) -> None:
    arrivals.come = False
    own = set(server.dispatches[ROOM])
    await begin(gateway, room=ROOM)
    await until(lambda: bool(arrivals.waiting))
    if closed:
        del server.people[ROOM]
    else:
        server.leaves(ROOM, "caller")
    (room,) = (await over(gateway))["rooms"]
    assert room["state"] == "gone"
    arrivals.join()
    await until(lambda: not [it for it in agents(server) if it.startswith("agent-green")])
    assert set(server.dispatches[ROOM]) == own


async def test_an_old_agent_that_dies_meanwhile_is_followed_by_the_new_one(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    arrivals.come = False
    await begin(gateway, room=ROOM)
    await until(lambda: bool(arrivals.waiting))
    server.leaves(ROOM, agents(server)[0])
    arrivals.join()
    (room,) = (await over(gateway))["rooms"]
    assert (room["state"], agents(server)) == ("new", [room["new"]])


async def test_an_old_agent_that_dies_and_nobody_comes_the_room_is_dispatched_again(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    house["green"].accepts = False
    await begin(gateway, room=ROOM)
    await until(lambda: bool(server.requests))
    server.leaves(ROOM, agents(server)[0])
    job = house["blue"].assigned[0].job.id
    await server.terminate(job)
    (room,) = (await over(gateway))["rooms"]
    assert room["state"] == "redispatched"
    await until(lambda: server.requests[-1].agent_name == "")
    await until(lambda: len(agents(server)) == 1)


async def test_three_failures_in_a_row_end_it(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    for number in range(5):
        await opened(server, f"room-{number}")
    house["green"].accepts = False
    await begin(gateway, colour="blue")
    said = await over(gateway)
    assert (said["phase"], said["counts"]) == ("stopped", {"old": 3, "waiting": 3})
    assert "did not come" in said["why"]
    assert handovers.FAILURES_IN_A_ROW == 3


# -- what is asked ---------------------------------------------------------------------------


async def test_cancelled_the_room_under_way_goes_to_its_end_and_no_other_begins(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker], arrivals: Arrivals
) -> None:
    await opened(server, "two")
    arrivals.come = False
    await begin(gateway, colour="blue")
    await until(lambda: bool(arrivals.waiting))
    status, said = await gateway.admin("POST", "/handover", {"by": "another", "colour": "blue"})
    assert (status, said["reason"]) == (409, "running")
    assert (await gateway.admin("DELETE", "/handover"))[1]["phase"] == "cancelling"
    arrivals.join()
    said = await over(gateway)
    assert (said["phase"], said["counts"]) == ("cancelled", {"new": 1, "waiting": 1})


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ({"room": "r", "colour": "blue"}, 400, "give either room, or colour"),
        ({}, 400, "give either room, or colour"),
        ({"colour": "red"}, 400, "colour"),
        ({"colour": "blue", "at_once": 0}, 400, "at_once"),
        ({"colour": "blue", "rate": 3}, 400, "rate"),
        ({"colour": "blue", "context_seconds": 0}, 400, "send without_context true"),
        ({"colour": "blue", "by": "a\nb"}, 400, "printable"),
        ({"room": "nowhere"}, 404, "no agent 'default' is in room 'nowhere'"),
    ],
)
async def test_what_cannot_be_done_is_said(
    gateway: Running,
    house: dict[str, StandInWorker],
    parts: dict[str, Any],
    status: int,
    words: str,
) -> None:
    answer = await gateway.admin("POST", "/handover", {"by": "operator", **parts})
    assert answer[0] == status
    assert words in answer[1]["error"]


async def test_a_colour_that_nobody_serves_gets_no_call(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    await gateway.cordon("green")
    status, said = await gateway.admin("POST", "/handover", {"by": "operator", "room": ROOM})
    assert (status, said["reason"]) == (409, "unserved")
    assert server.requests == []


async def test_before_any_there_is_none(gateway: Running) -> None:
    assert (await gateway.admin("GET", "/handover"))[1]["phase"] == "none"
    assert (await gateway.admin("DELETE", "/handover"))[1]["phase"] == "none"


async def test_rooms_that_asked_for_a_colour_by_its_dark_name_stay_unless_they_are_named(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    server.people["pinned"] = [CALLER]
    assert await server.dispatch("pinned", "releve-blue")
    await begin(gateway, colour="blue")
    rooms = {it["room"]: it["state"] for it in (await over(gateway))["rooms"]}
    assert rooms == {ROOM: "new", "pinned": "skipped"}
    assert (await moved(gateway, room="pinned"))["state"] == "new"


# -- what an operator types ------------------------------------------------------------------


async def test_typed_each_room_is_told_and_the_whole(
    gateway: Running, server: StandInServer, house: dict[str, StandInWorker]
) -> None:
    done = await type_(gateway, "handover", "--colour", "blue", "--without-context")
    assert done.exit_code == 0, done.output
    first, last = done.output.splitlines()
    assert first.startswith("room: moved to green, both agents for ")
    assert first.endswith(" ms, without context")
    assert last == "handover done (1 new)"
    again = await type_(gateway, "handover", "--colour", "blue")
    assert (again.exit_code, again.output) == (0, "handover done (no rooms)\n")


async def test_typed_a_call_that_stays_is_exit_1_and_what_cannot_be_exit_2(
    gateway: Running, house: dict[str, StandInWorker]
) -> None:
    stays = await type_(gateway, "handover", "--room", ROOM)
    assert stays.exit_code == 1
    assert "room: keeps its agent: its agent told no context" in stays.output
    wrong = await type_(gateway, "handover")
    assert wrong.exit_code == 2
    assert "give either room, or colour" in wrong.output
    cancelled = await type_(gateway, "handover", "--cancel")
    assert (cancelled.exit_code, cancelled.output) == (0, "handover done (1 old)\n")
