"""Every offer ends in one assignment or one rejection, whatever the workers do meanwhile.

Driven through in-memory links: no sockets, and deadlines of milliseconds through the settings.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from livekit.protocol import agent as proto

from releve.gateway import policy
from releve.gateway.config import GatewayConfig
from releve.gateway.decisions.change import Change
from releve.gateway.decisions.model import Decisions
from releve.gateway.dispatch import dispatcher as dispatching
from releve.gateway.dispatch import offer, registry
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import Colour, Rules, Weights
from releve.gateway.registration_key import Key
from unit.gateway_standin import KEYS, RING, until


class ServerLink:
    """Stands in for the server's connection: assigns what is accepted, counts what is said."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.answers: dict[str, list[bool]] = {}
        self.updates: list[tuple[str, int]] = []
        self.terminated: list[str] = []
        self.gone = False
        self.assigns = True

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if self.gone:
            raise ConnectionResetError("stand-in server is away")
        if message.WhichOneof("message") == "update_job":
            self.updates.append((message.update_job.job_id, message.update_job.status))
            return
        answer = message.availability
        self.answers.setdefault(answer.job_id, []).append(answer.available)
        if answer.terminate:
            self.terminated.append(answer.job_id)
        if answer.available and self.assigns:
            await asyncio.sleep(0)
            await self.dispatcher.jobs.assign(assignment(answer.job_id))


class WorkerLink:
    """Stands in for a worker's connection; `behave` decides on each offer."""

    def __init__(self, dispatcher: Dispatcher, behave: Callable[[str], Any]) -> None:
        self.dispatcher = dispatcher
        self.behave = behave
        self.worker: Worker | None = None
        self.offers: list[str] = []
        self.assigned: list[proto.JobAssignment] = []
        self.terminated: list[str] = []
        self.gone = False
        self.reads: asyncio.Event | None = None  # until then nothing that is sent arrives

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if self.reads is not None:
            await self.reads.wait()
        if self.gone:
            raise ConnectionResetError("stand-in worker is away")
        kind = message.WhichOneof("message")
        if kind == "availability":
            job_id = message.availability.job.id
            self.offers.append(job_id)
            self.behave(job_id)
        elif kind == "assignment":
            self.assigned.append(message.assignment)
        elif kind == "termination":
            self.terminated.append(message.termination.job_id)

    def answer(self, job_id: str, available: bool, terminate: bool = False) -> None:
        """What WorkerEndpoint does with an availability frame."""
        assert self.worker is not None
        message = proto.WorkerMessage()
        message.availability.job_id = job_id
        message.availability.available = available
        message.availability.terminate = terminate
        self.dispatcher.presence.heard(self.worker, message)

    def leave(self) -> None:
        assert self.worker is not None
        self.gone = True
        self.dispatcher.presence.leave(self.worker)


def assignment(job_id: str) -> proto.JobAssignment:
    claims = {"iss": "key", "sub": f"agent-{job_id}", "video": {"agent": True, "hidden": False}}
    token = jwt.encode(claims, KEYS.secret, algorithm="HS256")
    return proto.JobAssignment(job=proto.Job(id=job_id), token=token)


def request(job_id: str, room: str = "room") -> proto.AvailabilityRequest:
    message = proto.AvailabilityRequest()
    message.job.id = job_id
    message.job.room.name = room
    return message


PUBLIC = Key("default")


def decided(*rules: Any, **more: Any) -> Decisions:
    """Rules of the one agent."""
    return Decisions({"default": Rules(*rules, **more)})


def flip(green: int) -> Change:
    """An operator's."""
    return Change("test", None, weights=Weights(100 - green, green), allow_unserved=True)


@pytest.fixture
def dispatcher(tmp_path: Path) -> Dispatcher:
    config = GatewayConfig(
        server_url="ws://server",
        media_url="ws://media",
        keys_file=tmp_path / "keys",
        state_file=tmp_path / "state",
        admin_socket=tmp_path / "admin",
        answer_seconds=0.02,
        offer_seconds=0.2,
    )
    return Dispatcher(config, RING, decided())


@pytest.fixture
def server(dispatcher: Dispatcher) -> ServerLink:
    return ServerLink(dispatcher)


@pytest.fixture
def join(dispatcher: Dispatcher) -> Callable[..., WorkerLink]:
    def add(
        colour: Colour = "blue", behave: str | Callable[[str], Any] = "accept", load: float = 0.0
    ) -> WorkerLink:
        link = WorkerLink(dispatcher, lambda _job: None)
        acts: dict[str, Callable[[str], Any]] = {
            "accept": lambda job: link.answer(job, True),
            "reject": lambda job: link.answer(job, False),
            "silent": lambda job: None,
            "leave": lambda job: link.leave(),
        }
        link.behave = acts[behave] if isinstance(behave, str) else behave
        registry = dispatcher.registry
        register = proto.RegisterWorkerRequest()
        link.worker = Worker(
            registry.next_id(colour), "default", colour, link, register, "peer", load
        )
        dispatcher.presence.join(link.worker)
        return link

    return add


Join = Callable[..., WorkerLink]


async def test_the_accepting_worker_gets_the_job_and_no_other(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    busy, idle = join(load=0.7), join(load=0.1)
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert (len(idle.assigned), len(busy.assigned), busy.offers) == (1, 0, [])
    assert server.answers == {"j1": [True]}
    assert [job.state for job in dispatcher.registry.running()] == ["running"]


async def test_no_worker_is_an_honest_rejection_at_once(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert server.answers == {"j1": [False]}
    assert dispatcher.registry.running() == []


@pytest.mark.parametrize("first", ["reject", "silent", "leave"])
async def test_the_next_worker_is_asked(
    dispatcher: Dispatcher, server: ServerLink, join: Join, first: str
) -> None:
    passed, taker = join(behave=first), join(load=0.9)
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert (passed.offers, len(passed.assigned), len(taker.assigned)) == (["j1"], 0, 1)
    assert server.answers == {"j1": [True]}


async def test_however_many_stay_silent_the_server_is_answered_in_time(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """40 silent workers at 20 ms each would be 800 ms; the server is answered after 200."""
    links = [join(behave="silent") for _ in range(40)]
    async with asyncio.timeout(0.6):
        await dispatcher.offer(server, PUBLIC, request("j1"))
    assert server.answers == {"j1": [False]}
    assert all(len(link.offers) <= 1 for link in links)


async def test_a_worker_may_not_think_longer_than_the_offer_lasts(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    dispatcher.config = dispatcher.config.model_copy(update={"answer_seconds": 60.0})
    join(behave="silent")
    async with asyncio.timeout(2):
        await dispatcher.offer(server, PUBLIC, request("j1"))
    assert server.answers == {"j1": [False]}


async def test_a_late_answer_makes_no_second_assignment(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    slow = join(behave="silent")
    taker = join(load=0.9, behave=lambda job: (taker.answer(job, True), slow.answer(job, True)))
    await dispatcher.offer(server, PUBLIC, request("j1"))
    slow.answer("j1", True)
    await asyncio.sleep(0)
    assert (len(slow.assigned), len(taker.assigned)) == (0, 1)
    assert server.answers == {"j1": [True]}
    assert dispatcher.registry.jobs["j1"].worker is taker.worker


async def test_a_late_yes_counts_while_nobody_else_has_said_yes(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    slow = join(behave="silent")
    other = join(load=0.9, behave=lambda job: slow.answer(job, True))
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert (len(slow.assigned), len(other.assigned)) == (1, 0)
    assert server.answers == {"j1": [True]}


async def test_a_worker_that_comes_while_an_offer_waits_is_asked(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    late: list[WorkerLink] = []
    loop = asyncio.get_running_loop()
    dispatcher.config = dispatcher.config.model_copy(update={"answer_seconds": 0.15})
    join(behave=lambda job: loop.call_later(0.01, lambda: late.append(join())))
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert len(late[0].assigned) == 1


async def test_a_silent_worker_is_asked_last_until_it_answers(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    hung, busy = join(behave="silent"), join(load=0.9)
    for job_id in ("j1", "j2"):
        await dispatcher.offer(server, PUBLIC, request(job_id))
    assert (hung.offers, busy.offers) == (["j1"], ["j1", "j2"])
    hung.behave = lambda job: hung.answer(job, True)
    hung.answer("j1", False)
    await dispatcher.offer(server, PUBLIC, request("j3"))
    assert hung.offers == ["j1", "j3"]


async def test_the_end_of_an_earlier_silence_does_not_end_a_later_one(
    dispatcher: Dispatcher, server: ServerLink, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    ends: list[Callable[[], None]] = []
    call_later = loop.call_later

    def held(seconds: float, callback: Any, *args: Any, **more: Any) -> Any:
        if seconds == offer.SILENT_SECONDS:
            ends.append(lambda: callback(*args))
        return call_later(seconds, callback, *args, **more)

    monkeypatch.setattr(loop, "call_later", held)
    hung = join(behave="silent")
    assert hung.worker is not None
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert hung.worker.silent
    hung.answer("j1", False)
    assert not hung.worker.silent
    await dispatcher.offer(server, PUBLIC, request("j2"))
    first, second = ends
    first()
    assert hung.worker.silent
    second()
    assert not hung.worker.silent


@pytest.mark.parametrize("turn", ["cordon the colour", "cordon the worker", "flip"])
async def test_a_yes_against_the_rules_that_have_changed_meanwhile_does_not_count(
    dispatcher: Dispatcher, server: ServerLink, join: Join, turn: str
) -> None:
    """Drained would not be drained if a worker could still take what it was asked before."""
    dispatcher.rulebook.enforce(decided(fallback=frozenset()))

    def change_their_minds(job: str) -> None:
        assert asked.worker is not None
        if turn == "flip":
            dispatcher.rulebook.enforce(decided(Weights(0, 100), fallback=frozenset()))
        elif turn == "cordon the colour":
            dispatcher.rulebook.enforce(decided(cordoned=frozenset({"blue"})))
        else:
            dispatcher.presence.cordon(asked.worker, True)
        asked.answer(job, True)

    asked = join(behave=change_their_minds)
    green = join("green")
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert asked.assigned == []
    assert server.answers == {"j1": [turn == "flip"]}
    assert len(green.assigned) == (1 if turn == "flip" else 0)


async def test_a_rejection_without_a_jobs_name_is_one(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """0.7.2 sends such when the agent's request function answers nothing."""
    dispatcher.config = dispatcher.config.model_copy(update={"answer_seconds": 60.0})
    join(behave="silent").behave = lambda job: nameless.answer("", False)
    (nameless,) = [w.link for w in dispatcher.registry.workers.values()]
    async with asyncio.timeout(0.1):
        await dispatcher.offer(server, PUBLIC, request("j1"))
    assert server.answers == {"j1": [False]}


async def test_a_job_offered_twice_is_assigned_once(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    one, other = join(), join()
    for _ in range(2):
        await dispatcher.offer(server, PUBLIC, request("j1"))
    await dispatcher.jobs.assign(assignment("j1"))
    assert len(one.assigned) + len(other.assigned) == 1
    assert server.answers == {"j1": [True, False]}


async def test_what_the_server_had_not_assigned_when_it_left_may_be_offered_again(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    link = join()
    server.assigns = False
    await dispatcher.offer(server, PUBLIC, request("j1"))
    dispatcher.server_lost(server)
    server.assigns = True
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert server.answers == {"j1": [True, True]}
    assert len(link.assigned) == 1


async def test_a_worker_cannot_end_anothers_job(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    stranger = join().worker
    assert stranger is not None
    update = proto.WorkerMessage()
    update.update_job.job_id = "j1"
    update.update_job.status = proto.JobStatus.JS_FAILED
    await dispatcher.jobs.update(stranger, update)
    assert dispatcher.registry.jobs["j1"].state == "running"
    assert server.updates == []


async def test_a_worker_that_accepts_and_is_gone_is_passed_over(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """Both frames are read before the offer wakes up; nobody may be promised to the server."""
    hasty = join(behave=lambda job: (hasty.answer(job, True), hasty.leave()))
    taker = join(load=0.9)
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert (len(hasty.assigned), len(taker.assigned)) == (0, 1)
    assert server.answers == {"j1": [True]}


async def test_a_worker_that_leaves_before_the_assignment_loses_the_job_openly(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    server.assigns = False
    link = join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    link.gone = True  # its socket is closing; the registry does not know yet
    await dispatcher.jobs.assign(assignment("j1"))
    assert dispatcher.registry.jobs["j1"].state == "lost"
    assert server.updates == [("j1", proto.JobStatus.JS_FAILED)]
    assert dispatcher.registry.running() == []


async def test_a_server_that_leaves_during_the_offer_leaves_no_job_behind(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    link = join()
    server.gone = True
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert dispatcher.registry.jobs["j1"].state == "lost"
    assert link.worker is not None
    assert link.worker.jobs == set()


async def test_an_offer_the_server_forgot_is_forgotten_here_too(
    dispatcher: Dispatcher, server: ServerLink, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a drain would wait for ever for a job that never began."""
    monkeypatch.setattr(dispatching, "ASSIGNMENT_SECONDS", 0.02)
    server.assigns = False
    join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert [job.state for job in dispatcher.registry.running()] == ["offered"]
    await until(lambda: not dispatcher.registry.running())
    assert dispatcher.registry.jobs["j1"].state == "lost"


async def test_an_assigned_job_is_never_forgotten(
    dispatcher: Dispatcher, server: ServerLink, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "ASSIGNMENT_SECONDS", 0.0)
    join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    await asyncio.sleep(0.01)
    assert [job.state for job in dispatcher.registry.running()] == ["running"]


async def test_the_assignment_carries_the_media_url_unless_the_server_chose_one(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    server.assigns = False
    link = join()
    for job_id in ("j1", "j2", "j3"):
        await dispatcher.offer(server, PUBLIC, request(job_id))
    await dispatcher.jobs.assign(assignment("j1"))
    for job_id, url in (("j2", "wss://cloud"), ("j3", "")):
        chosen = assignment(job_id)
        chosen.url = url
        await dispatcher.jobs.assign(chosen)
    assert [item.url for item in link.assigned] == ["ws://media", "wss://cloud", "ws://media"]


async def test_the_job_gets_its_own_workers_permissions(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    link = join()
    assert link.worker is not None
    link.worker.register.allowed_permissions.hidden = True
    await dispatcher.offer(server, PUBLIC, request("j1"))
    claims = jwt.decode(link.assigned[0].token, KEYS.secret, algorithms=["HS256"])
    assert (claims["video"]["hidden"], claims["video"]["canPublish"]) == (True, False)
    assert claims["sub"] == "agent-j1"


async def test_an_unknown_assignment_and_termination_are_only_logged(
    dispatcher: Dispatcher, server: ServerLink, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    link = join()
    await dispatcher.jobs.assign(assignment("never-offered"))
    await dispatcher.jobs.terminate(proto.JobTermination(job_id="never-offered"))
    assert link.assigned == []
    assert "nobody accepted" in caplog.text


async def test_terminating_a_worker_that_is_leaving_does_not_cost_the_servers_connection(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    link = join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    link.gone = True
    await dispatcher.jobs.terminate(proto.JobTermination(job_id="j1"))


async def test_a_termination_reaches_the_worker_and_ends_the_job(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """0.7.2 never reports a job's end; the server's word is all there is."""
    link = join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    await dispatcher.jobs.terminate(proto.JobTermination(job_id="j1"))
    assert link.terminated == ["j1"]
    assert dispatcher.registry.jobs["j1"].state == "ended"
    assert link.worker is not None
    assert link.worker.jobs == set()


async def test_the_server_hears_of_a_jobs_end(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    link = join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    update = proto.WorkerMessage()
    update.update_job.job_id = "j1"
    update.update_job.status = proto.JobStatus.JS_SUCCESS
    await dispatcher.jobs.update(link.worker, update)
    assert server.updates == [("j1", proto.JobStatus.JS_SUCCESS)]
    assert dispatcher.registry.jobs["j1"].state == "ended"


async def test_jobs_of_a_worker_that_leaves_are_detached(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """The call may live on in a process of its own, so it is neither ended nor lost."""
    link = join()
    await dispatcher.offer(server, PUBLIC, request("j1"))
    link.leave()
    assert dispatcher.registry.jobs["j1"].state == "detached"


@pytest.mark.parametrize("end", ["the agent leaves", "the worker leaves", "the server leaves"])
async def test_days_of_calls_leave_only_the_last_of_them_behind(
    dispatcher: Dispatcher,
    server: ServerLink,
    join: Join,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    monkeypatch.setattr(registry, "KEEP_ENDED_JOBS", 10)
    server.assigns = end != "the server leaves"
    link = join()
    for number in range(100):
        await dispatcher.offer(server, PUBLIC, request(f"j{number}"))
        if end == "the agent leaves":
            await dispatcher.jobs.terminate(proto.JobTermination(job_id=f"j{number}"))
        elif end == "the worker leaves":
            link.leave()
            link = join()
        else:
            dispatcher.server_lost(server)
    await asyncio.sleep(0)
    kept = dispatcher.registry
    assert list(kept.jobs) == [f"j{number}" for number in range(90, 100)]
    assert (len(kept.workers), kept.running(), len(dispatcher._offers)) == (1, [], 0)
    assert sum(len(order) for by in kept.ranked.values() for order in by.values()) == 1


async def test_a_flip_that_cannot_be_remembered_does_not_happen(dispatcher: Dispatcher) -> None:
    book = dispatcher.rulebook
    book._file = book._file / "not-a-directory" / "state"
    with pytest.raises(OSError, match="not-a-directory"):
        await book.decide("default", flip(100))
    assert (book.rules("default").weights, book.flips["default"]) == (Weights(100, 0), 0)


async def test_load_is_full_without_workers_and_that_of_the_next_worker_with(
    dispatcher: Dispatcher, join: Join
) -> None:
    assert dispatcher.load(PUBLIC) == (1.0, True)
    join(load=0.2)
    join(load=0.4)
    join("green", load=0.9)  # dark: counts for its dark key alone
    assert dispatcher.load(PUBLIC) == (pytest.approx(0.2 * policy.HIGHEST_LOAD), False)
    assert dispatcher.load(Key("default", only="green")) == (
        pytest.approx(0.9 * policy.HIGHEST_LOAD),
        False,
    )


@pytest.mark.parametrize("seed", range(25))
async def test_one_answer_per_offer_under_any_interleaving(
    dispatcher: Dispatcher, server: ServerLink, join: Join, seed: int
) -> None:
    """30 offers at once; workers answer now or late, stay silent, leave or come; weights flip."""
    dice = random.Random(seed)
    links: list[WorkerLink] = []
    loop = asyncio.get_running_loop()

    def any_worker() -> WorkerLink:
        def behave(job: str) -> None:
            act = dice.random()
            if act < 0.35:
                link.answer(job, True)
            elif act < 0.5:
                link.answer(job, False)
            elif act < 0.8:  # the deadline is 20 ms: half of these come too late
                loop.call_later(dice.uniform(0, 0.04), link.answer, job, dice.random() < 0.8)
            elif act < 0.85 and not link.gone:
                link.leave()

        link = join(dice.choice(policy.COLOURS), behave, dice.random())
        links.append(link)
        return link

    async def flip_and_churn() -> None:
        while True:
            green = dice.choice((0, 30, 100))
            await dispatcher.rulebook.decide("default", flip(green))
            any_worker()
            if dice.random() < 0.3 and (staying := [link for link in links if not link.gone]):
                dice.choice(staying).leave()
            await asyncio.sleep(dice.uniform(0, 0.02))

    for _ in range(4):
        any_worker()
    churn = asyncio.create_task(flip_and_churn())
    jobs = [f"j{number}" for number in range(30)]
    async with asyncio.timeout(5):
        await asyncio.gather(*(dispatcher.offer(server, PUBLIC, request(job, job)) for job in jobs))
    churn.cancel()
    await asyncio.sleep(0.05)  # late answers and timers may come now: they must change nothing

    assert {job: len(said) for job, said in server.answers.items()} == dict.fromkeys(jobs, 1)
    got = Counter(item.job.id for link in links for item in link.assigned)
    failed = {job for job, _status in server.updates}
    for job in jobs:
        promised = server.answers[job] == [True] and job not in failed
        assert got[job] == (1 if promised else 0)
    assert all(not link.worker.asked for link in links if link.worker)


async def test_a_worker_may_end_the_offer_for_all(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """`request.reject()` means that from livekit-agents 1.3.7 on, and the server hears it."""
    first = join()
    first.behave = lambda job: first.answer(job, False, terminate=True)
    other = join(load=0.9)
    refused: list[str] = []
    dispatcher.jobs.refused.append(lambda dispatch: refused.append(dispatch.room))
    await dispatcher.offer(server, PUBLIC, request("j1"))
    assert (first.offers, other.offers, server.answers) == (["j1"], [], {"j1": [False]})
    assert server.terminated == ["j1"]
    assert refused == ["room"]
    assert dispatcher.registry.jobs == {}


async def test_workers_that_do_not_read_cost_the_offer_no_more_than_silent_ones(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    """Sending to such a worker takes a second and fails; the offer has 0.2 s in all."""
    stuck = [join() for _ in range(4)]
    reads = asyncio.Event()
    for link in stuck:
        link.reads = reads
    good = join(load=0.9)
    async with asyncio.timeout(5):
        await dispatcher.offer(server, PUBLIC, request("j1"))
    assert (len(good.assigned), server.answers) == (1, {"j1": [True]})
    assert sum(bool(link.worker and link.worker.silent) for link in stuck) >= 3
    reads.set()
    await dispatcher.background.stop()


async def test_a_yes_counts_while_another_worker_does_not_read(
    dispatcher: Dispatcher, server: ServerLink, join: Join
) -> None:
    slow = join(behave="silent")
    stuck = join(load=0.5)
    stuck.reads = asyncio.Event()
    offered = dispatcher.offer(server, PUBLIC, request("j1"))
    await until(lambda: bool(stuck.worker and "j1" in stuck.worker.asked))
    slow.answer("j1", True)
    async with asyncio.timeout(5):
        await offered
    assert (len(slow.assigned), server.answers) == (1, {"j1": [True]})
    await dispatcher.background.stop()
