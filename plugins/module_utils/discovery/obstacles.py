"""Why a stack cannot be moved, or not by today's playbooks, and what would have to change.

Pure: what was found in, sentences out. "Not yet" is what Relève is to learn; the rest stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .agents import Agent
from .machine import Found, Stack
from .places import Place
from .servers import Server

BY_COMPOSE = "run it by Compose, on a bridge network or on the host's"


def obstacles(stack: Stack, engine: str | None, agent_service: str | None = None) -> list[str]:
    """A sentence for each, all at once; `engine` says why none answers, if so.

    `agent_service` is the one that is to be moved, where there are several.
    """
    workers = [agent for agent in stack.workers if agent.place.colour is None]
    chosen = [agent for agent in workers if agent_service in (None, service(agent))]
    found = [*_of_the_server(stack.server, chosen), *_together(stack, workers)]
    if engine and not any(where.kind == "container" for where in _places(stack)):
        found.append(f"{engine}: Relève's own parts are containers; run playbooks/engine.yml")
    for agent in chosen:
        found += _of_an_agent(agent, stack.server)
    if workers and not chosen:
        names = ", ".join(sorted(service(agent) or agent.place.name for agent in workers))
        found.append(f"no worker of the service {agent_service} is connected; found: {names}")
    found += _of_several(workers, chosen)
    return list(dict.fromkeys(found))


def ours(server: Server, agent: Agent) -> bool:
    """Whether the server is a service of the agent's own Compose project: only then it is pinned,
    saved and replaced with it."""
    theirs = server.place.compose if server.place and server.place.known else None
    mine = agent.place.compose
    return theirs is not None and mine is not None and theirs.project == mine.project


def share_network(agent: Agent, server: Server) -> bool:
    """Whether both have an address in one network of the engine's."""
    place = server.place
    return place is not None and bool(set(agent.place.network) & set(place.network))


def not_live(agent: Agent, certificate: bool = False) -> str | None:
    """Why an agent can only be adopted by a restart, or None; with a `certificate` for the host of
    its URL also one that speaks wss can be adopted live."""
    parts = agent.settings.address
    if not agent.settings.url:
        return "its LIVEKIT_URL was found neither in its environment nor in a .env of its program's"
    if parts is not None and parts.scheme not in ("ws", "http") and not certificate:
        return f"it speaks {parts.scheme}, and would refuse the gateway's certificate"
    if agent.route is None:
        return "it is connected to no server now: see its log"
    if ":" in agent.route.seen.address and agent.place.bridged:
        return f"it reaches the server by IPv6 ({agent.route.seen}), and the gateway has IPv4"
    return None


def about_the_host(found: Found) -> list[str]:
    """What is to be said where no server was found, or one that does not run."""
    said = [f"{place} does not run: start it, and look again" for place in found.stopped]
    for agent in found.unconnected:
        said.append(
            f"the worker in {agent.place} is connected to no server now: it was to reach "
            f"{agent.settings.url or 'a URL that could not be read'}. Look at its log"
        )
    if not found.stacks and not said:
        said.append(
            "no LiveKit Server and no agent runs on this host: start the stack, or name the host "
            "on which it runs"
        )
    if found.unreadable > 1:
        said.append(f"{found.unreadable} processes could not be read and were left out")
    return said


def family(agent: Agent, workers: list[Agent]) -> tuple[list[Agent], str | None]:
    """Those of one server that have the agent's key, itself among them: all are moved, or none.

    And what keeps them from being moved together, or None. Replicas of one service are of one key.
    """
    mine, of = key(agent), service(agent)
    others = [one for one in workers if one.process.pid != agent.process.pid]
    replicas = [one for one in others if of is not None and service(one) == of]
    rest = [one for one in others if one not in replicas]
    unknown = [one for one in rest if None in (mine, key(one))]
    same = [*replicas, *(one for one in rest if one not in unknown and key(one) == mine)]
    if unknown:
        names = ", ".join(sorted(one.place.name for one in (agent, *unknown)))
        return [agent, *same], (
            f"not yet: {names} are {len(unknown) + 1} workers of one server that do not tell their "
            "names, so maybe under one key, and one alone would be moved, with a part of the "
            "rooms: run one alone for a migration"
        )
    for one in same:
        if not (one.place.kind == "container" and one.place.known):
            return [agent, *same], (
                f"not yet: {one.place} is a worker under the key of {agent.place.name} and no "
                "container, and all workers of a key are moved or none: end it, or give it an "
                "agent_name of its own"
            )
        if not _side_by_side(one.place, agent.place):
            return [agent, *same], (
                f"not yet: {one.place.name} and {agent.place.name} are workers under one key and "
                "share no network, so no gateway reaches both; put both on one"
            )
    return [agent, *same], None


def service(agent: Agent) -> str | None:
    """The Compose service of an agent."""
    return agent.place.compose.service if agent.place.compose else None


def key(agent: Agent) -> tuple[str, str] | None:
    """Agent name and namespace under which it registers; None where it does not tell them."""
    version = (agent.packages or {}).get("livekit-agents", "")
    if agent.agent_name is None or not version:
        return None
    # Up to livekit-agents 0.8 the namespace is "default" (read in the SDKs' worker.py).
    return agent.agent_name, "default" if re.match(r"0\.[0-8]\.", version) else ""


def _of_the_server(server: Server, agents: list[Agent]) -> Iterator[str]:
    place, name = server.place, server.name
    if place is None:
        return
    if place.kind == "pod":
        yield (
            f"the server {name} runs in Kubernetes, which Relève does not steer: LiveKit's Helm "
            "chart gives a server's pod terminationGracePeriodSeconds (5 hours) to end its calls, "
            "and an agent's Deployment is rolled the same way"
        )
    if server.port is None:
        yield f"the server {name} does not answer: wait until it has started, or look at its log"
    elif server.version is None and any(ours(server, agent) for agent in agents):
        yield (
            f"the version of the server {name} is not known: its program is not named "
            "livekit-server, and no agent's keys were found to ask it with"
        )


def _together(stack: Stack, workers: list[Agent]) -> Iterator[str]:
    name, place = stack.server.name, stack.server.place
    inside = [agent for agent in workers if place and _same(agent.place, place)]
    if inside:
        yield (
            f"server and agent run in one {place.kind if place else ''}, {name}, and cannot be "
            "moved apart: make them two services"
        )
    if not workers:
        yield f"no agent's worker is connected to {name}: start the agent, and look again"
        for bot in stack.bots:
            yield (
                f"not yet: {bot.place} joins rooms by itself, without a worker, so nobody can give "
                "its rooms to another release"
            )


def _of_an_agent(agent: Agent, server: Server) -> Iterator[str]:
    place, name = agent.place, agent.place.name
    if place.kind == "pod":
        yield f"the agent {name} runs in Kubernetes, which Relève does not steer"
    elif not place.known:
        yield f"not yet: the agent is in a container ({name}) that no Docker Engine here knows"
    elif place.kind != "container":
        yield f"not yet: the agent is {place}, and no container; {BY_COMPOSE}"
    elif not place.on_host_network and not place.bridged:
        yield f"not yet: the agent {name} is on no network of its own; {BY_COMPOSE}"
    if place.known and place.kind == "container" and place.compose is None:
        yield (
            f"not yet: {name} has no labels of Compose, by which today's playbooks find an agent; "
            "start it by Compose"
        )
    if agent.packages is None and place.known:
        yield (
            f"the agent {name} is not written in Python, or its interpreter could not be asked: "
            "only LiveKit's Python SDK can be moved"
        )
    if agent.settings.url is None and not share_network(agent, server):
        yield (
            f"where {name} reaches the server was found neither in its environment nor in a .env "
            "of its program's: set LIVEKIT_URL in its environment"
        )
    if agent.settings.url and agent.settings.address is None:
        yield (
            f"{name} has a LIVEKIT_URL that is no address, {agent.settings.url!r}; set it to "
            "ws://<host>:<port>"
        )


def _of_several(workers: list[Agent], chosen: list[Agent]) -> Iterator[str]:
    """All of a key are moved together; of several keys one is to be named."""
    if not chosen:
        return
    together, said = family(chosen[0], workers)
    if said:
        yield said
    elif any(agent not in together for agent in chosen):
        names = ", ".join(sorted(agent.place.name for agent in chosen))
        services = "|".join(sorted(filter(None, map(service, chosen))))
        yield (
            f"several agents with names of their own ({names}): say which service is to be moved, "
            f"-e agent_service=<{services}>"
        )


def _places(stack: Stack) -> list[Place]:
    return [place for place in (stack.server.place, *(a.place for a in stack.workers)) if place]


def _same(one: Place, other: Place) -> bool:
    return one.container is not None and one.container == other.container


def _side_by_side(one: Place, other: Place) -> bool:
    """Whether a gateway beside one is beside the other."""
    if one.on_host_network or other.on_host_network:
        return one.on_host_network and other.on_host_network
    return bool(set(one.network) & set(other.network))
