"""Why a room has the agent that it has, or none, and what to do about it: pure functions."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from livekit import api

from releve.gateway import policy
from releve.gateway.dispatch.job import Job
from releve.gateway.dispatch.room_history import Entry
from releve.gateway.policy import COLOURS, Colour, Rules
from releve.gateway.server.participants import Agent

ARRIVAL_SECONDS = 10.0


class Verdict(NamedTuple):
    """Two sentences; the second is empty when there is nothing to do."""

    why: str
    remedy: str = ""


class Crowd(NamedTuple):
    """How many workers of a colour are connected, and how many of them are not asked."""

    connected: int = 0
    cordoned: int = 0
    full: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What the server says of a room now; `strange` are dispatches that nobody here serves."""

    listed: bool
    callers: int
    agents: Sequence[Agent]
    dispatches: Sequence[api.AgentDispatch]
    strange: Sequence[api.AgentDispatch] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One agent and one room. `told` is None when the server does not answer, for `silence`;
    `lost` are the keys asked for that are not registered at the server."""

    agent: str
    room: str
    agent_name: str
    rules: Rules
    workers: Mapping[Colour, Crowd]
    history: Sequence[Entry]
    live: Sequence[Job]
    now: float
    told: Told | None
    silence: str = ""
    lost: Sequence[str] = ()


def verdict(case: Case) -> Verdict:
    """The first of these that is so."""
    told = case.told
    if told is None:
        return Verdict(
            f"LiveKit Server does not answer ({case.silence}), so who is in the room is not known. "
            f"{_last_offer(case)}",
            "See whether the server runs and the keys are right, then ask again.",
        )
    if told.agents:
        return _is_there(case, told.agents)
    if not told.listed:
        return Verdict(
            f"LiveKit Server has no room of that name now. {_last_offer(case)}",
            "Check the name, letter by letter; a room is closed when everybody has left.",
        )
    if not told.callers:
        return Verdict("No caller is in the room, so nobody waits for an agent.")
    if case.live:
        return _on_its_way(case, case.live[-1])
    if not told.dispatches:
        return _nobody_asked(case, told)
    if case.lost:
        return Verdict(
            f"The gateway is not registered at LiveKit Server as {' and '.join(case.lost)}.",
            "See whether the server runs and the keys are right (releve gateway state).",
        )
    offers = [entry for entry in case.history if entry.kind == "offer"]
    if offers:
        return _offered(case, offers[-1])
    return _not_offered(case, told)


# -- an agent is there ---------------------------------------------------------------------------


def _is_there(case: Case, agents: Sequence[Agent]) -> Verdict:
    first = agents[0]
    if len(agents) > 1:
        names = " and ".join(sorted(agent.identity for agent in agents))
        return Verdict(
            f"{len(agents)} agents of {case.agent} are in the room: {names}.",
            "Remove one of them: lk room participants remove --room ROOM IDENTITY. Look for "
            "dispatches that were made twice, and for workers that are direct.",
        )
    if first.colour is None:
        return Verdict(
            f"{first.identity} is in the room. It came past the gateway: its worker is direct.",
            "Adopt that worker if its rooms shall follow the weights.",
        )
    there = f"{first.identity} is in the room: {first.colour}, worker {first.worker}."
    offers = [it for it in case.history if it.kind == "offer" and it.facts["job"] == first.job]
    if not offers:
        return Verdict(f"{there} How it was chosen is not known any more.")
    return Verdict(f"{there} {_chosen(case, first.colour, offers[-1].facts)}")


def _chosen(case: Case, colour: Colour, offer: Mapping[str, Any]) -> str:
    weights = policy.parse_weights(offer["weights"])
    split = ", ".join(f"{name} {weights[name]} %" for name in COLOURS)
    if offer["only"]:
        return f"It was asked for by {offer['key']}, which reaches {colour} only."
    first, by, place = offer["first"], offer["by"], offer["place"]
    if first == colour and by == "list":
        return f"The room or its caller is on the list of {colour}."
    if first == colour:
        return f"The name of the {by} puts it at {place} of 100, which is {colour} at {split}."
    missed = f"{first} was cordoned" if first in offer["cordoned"] else f"{first} took it not"
    return f"It was {first}'s ({by}; place {place} of 100, {split}); {missed}{_answers(offer)}."


# -- none is there -------------------------------------------------------------------------------


def _on_its_way(case: Case, job: Job) -> Verdict:
    seconds = case.now - job.started
    worker = f"{job.worker.colour}, worker {job.worker.id}"
    if seconds <= ARRIVAL_SECONDS:
        return Verdict(
            f"An agent is on its way: {worker} took the job {seconds:.0f} s ago.",
            f"Wait until {ARRIVAL_SECONDS:.0f} s are over.",
        )
    return Verdict(
        f"{worker} took the job {seconds:.0f} s ago, and its agent is not in the room.",
        f"Read the log of {job.worker.peer or 'that worker'} at job {job.id}: the agent did not "
        "connect, or has crashed without a word.",
    )


def _nobody_asked(case: Case, told: Told) -> Verdict:
    if told.strange:
        asked = " and ".join(sorted({_name(it.agent_name, it.deployment) for it in told.strange}))
        return Verdict(
            f"The room asks for {asked}, and this gateway serves no such agent.",
            f"Dispatch {_name(case.agent_name, '')}, or name that agent in the gateway's settings.",
        )
    return Verdict(
        "Nobody asks for an agent: LiveKit Server has no dispatch in the room. It makes one by "
        "itself for a new room whose token or CreateRoom names no agents.",
        _again(case),
    )


def _again(case: Case) -> str:
    """How to ask once more."""
    room = shlex.quote(case.room)
    if case.agent_name:
        name = shlex.quote(case.agent_name)
        return f"Ask once more: lk dispatch create --room {room} --agent-name {name}"
    return f"Ask once more: CreateDispatch for room {room}, without an agent name."


def _name(agent_name: str, deployment: str) -> str:
    name = f"agent_name {agent_name!r}" if agent_name else "an agent without a name"
    return name + (f", deployment {deployment!r}" if deployment else "")


def _offered(case: Case, offer: Entry) -> Verdict:
    facts, ago = offer.facts, f"{case.now - offer.at:.0f} s ago"
    if facts["outcome"] == "terminated":
        return Verdict(
            f"Worker {facts['worker']} ({facts['colour']}) refused the room for all, {ago}.",
            "That is its agent's own decision, as reject() in its request function: read its log.",
        )
    if facts["outcome"] == "full":
        return Verdict(
            f"An offer came {ago}, and there was no place: {facts['cap']}.",
            "Raise calls or calls_per_worker of the agent, start more workers, or let offers wait "
            "(queue_seconds).",
        )
    if facts["outcome"] == "assigned":
        return _was_assigned(case, facts, ago)
    if not facts["asked"]:
        who = _nobody_may_come(case)
        return Verdict(f"An offer came {ago}, and no worker could be asked. {who.why}", who.remedy)
    return Verdict(
        f"An offer came {ago}, and of {facts['asked']} workers none took it{_answers(facts)}.",
        "Read the logs of these workers: an agent rejects in its request function, and stays "
        "silent when its processor is overloaded. More workers help against overload.",
    )


def _answers(offer: Mapping[str, Any]) -> str:
    counts = Counter(f"{it['colour']} {it['answer']}" for it in offer["answers"])
    listed = ", ".join(f"{answer} ({count})" for answer, count in counts.items())
    return f": {listed}" if listed else ""


def _was_assigned(case: Case, offer: Mapping[str, Any], ago: str) -> Verdict:
    worker = f"{offer['worker']} ({offer['colour']})"
    jobs = [it for it in case.history if it.kind == "job" and it.facts["job"] == offer["job"]]
    over = jobs[-1].facts if jobs else {"state": "", "said": ""}
    said = str(over["said"])
    if over["state"] == "detached":
        return Verdict(
            f"The connection of worker {worker}, which had the call, is gone.",
            "Wait: the room is dispatched again when LiveKit Server no longer lists its agent, "
            "after at most 20 s.",
        )
    if over["state"] == "lost":
        return Verdict(
            f"Worker {worker} accepted {ago}, and LiveKit Server did not assign the job.",
            "Wait 15 s: the room is then dispatched again. See the log of LiveKit Server.",
        )
    if said.startswith("failed"):
        return Verdict(
            f"Worker {worker} took the job {ago}, and the job {said}.",
            f"Read its log at job {offer['job']}. {_again(case)}",
        )
    return Verdict(
        f"An agent of worker {worker} was there and has left ({said or 'or was removed'}).",
        f"If the call is to go on: {_again(case)}",
    )


def _not_offered(case: Case, told: Told) -> Verdict:
    jobs = [job for dispatch in told.dispatches for job in dispatch.state.jobs]
    if jobs:
        by = jobs[-1].state.worker_id or "a worker"
        return Verdict(
            f"LiveKit Server gave job {jobs[-1].id} to {by}, and this gateway knows nothing of it.",
            "Either the gateway was replaced since, or a direct worker took the job: read its log.",
        )
    nobody = _nobody_may_come(case)
    if nobody.why:
        return Verdict(
            f"LiveKit Server offered the room to nobody here: no worker could be asked. "
            f"{nobody.why}",
            nobody.remedy,
        )
    return Verdict(
        "LiveKit Server has a dispatch and offered nothing here. It asks once, when the dispatch "
        "is made.",
        _again(case),
    )


def _nobody_may_come(case: Case) -> Verdict:
    """Why no worker may be asked now; nothing to say when somebody may."""
    reasons, remedies = [], []
    may = policy.colours_for(case.room, case.rules)
    for colour in COLOURS:
        crowd = case.workers[colour]
        free = crowd.connected - crowd.cordoned
        if colour in case.rules.cordoned:
            reasons.append(f"{colour} is cordoned")
            if crowd.connected:
                remedies.append(f"releve gateway cordon {colour} --off")
        elif colour not in may:
            if crowd.connected:
                reasons.append(f"{colour} has weight 0 and is no fallback")
                share = 100 if colour == "green" else 0
                remedies.append(f"releve gateway weights {share}")
        elif not crowd.connected:
            reasons.append(f"no worker of {colour} is connected")
            remedies.append(f"start a worker of {colour}")
        elif free <= 0:
            reasons.append(f"every worker of {colour} is cordoned")
            remedies.append("releve gateway cordon WORKER --off")
        elif crowd.full >= free:
            reasons.append(f"every worker of {colour} is full")
            remedies.append(f"start more workers of {colour}")
        else:
            return Verdict("")
    return Verdict(f"Now: {', and '.join(reasons)}.", f"Either of: {'; '.join(remedies)}.")


def _last_offer(case: Case) -> str:
    offers = [entry for entry in case.history if entry.kind == "offer"]
    if not offers:
        return "This gateway remembers no offer of it."
    facts, ago = offers[-1].facts, case.now - offers[-1].at
    by = f" to {facts['colour']}, worker {facts['worker']}" if facts["worker"] else ""
    return f"Its last offer was {facts['outcome']}{by}, {ago:.0f} s ago{_answers(facts)}."
