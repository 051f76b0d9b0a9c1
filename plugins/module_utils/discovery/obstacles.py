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

ON_BRIDGE = "run server and agent by Compose on one bridge network"


def obstacles(stack: Stack, engine: str | None, agent_service: str | None = None) -> list[str]:
    """A sentence for each, all at once; `engine` says why none answers, if so.

    `agent_service` is the one that is to be moved, where there are several.
    """
    workers = [agent for agent in stack.workers if agent.place.colour is None]
    chosen = [agent for agent in workers if agent_service in (None, service(agent))]
    found = [*_of_the_server(stack.server), *_together(stack, workers)]
    if engine and not any(where.kind == "container" for where in _places(stack)):
        found.append(f"{engine}: Relève's own parts are containers; run playbooks/engine.yml")
    for agent in chosen:
        found += _of_an_agent(agent, stack.server)
    if workers and not chosen:
        names = ", ".join(sorted(service(agent) or agent.place.name for agent in workers))
        found.append(f"no worker of the service {agent_service} is connected; found: {names}")
    found += _of_several(workers, chosen)
    return list(dict.fromkeys(found))


def not_live(agent: Agent, server: Server) -> str | None:
    """Why an agent can only be adopted by a restart, or None."""
    parts = agent.settings.address
    if not agent.settings.url:
        return "its LIVEKIT_URL was found neither in its environment nor in a .env of its program's"
    if parts is not None and parts.scheme not in ("ws", "http"):
        return f"it speaks {parts.scheme}, and would refuse the gateway's certificate"
    reached = server.place.network.values() if server.place and server.place.bridged else ()
    if agent.route is not None and reached and agent.route.seen.address not in reached:
        host = parts.hostname if parts else "its URL"
        return (
            f"it reaches the server by {host} ({agent.route.seen}), and not at the server's "
            "address in a network that both are on"
        )
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


def sharing(agent: Agent, workers: list[Agent]) -> str | None:
    """That others of one server share the agent's key, or may; None where it has its own."""
    mine = key(agent)
    others = [one for one in workers if one.process.pid != agent.process.pid]
    shared = [one for one in others if None in (mine, key(one)) or key(one) == mine]
    if not shared:
        return None
    names = ", ".join(sorted(one.place.name for one in (agent, *shared)))
    told = mine is not None and all(key(one) == mine for one in shared)
    return (
        f"not yet: {names} are {len(shared) + 1} workers of one server "
        + ("under one key" if told else "that do not tell their names, so maybe under one key")
        + ", and one alone would be moved, with a part of the rooms: run one alone for a migration"
    )


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


def _of_the_server(server: Server) -> Iterator[str]:
    place, name = server.place, server.name
    if place is None:
        yield (
            f"not yet: the server is at {server.url} and not on this host; today's playbooks want "
            "it in a container beside the agent"
        )
        return
    if place.kind == "pod":
        yield (
            f"the server {name} runs in Kubernetes, which Relève does not steer: LiveKit's Helm "
            "chart gives a server's pod terminationGracePeriodSeconds (5 hours) to end its calls, "
            "and an agent's Deployment is rolled the same way"
        )
    elif not place.known:
        yield (
            f"not yet: the server is in a container ({name}) that no Docker Engine here knows; run "
            "it on Docker"
        )
    elif place.kind != "container":
        yield f"not yet: the server is {place}, and no container; {ON_BRIDGE}"
    elif place.on_host_network:
        yield f"not yet: the server {name} is on the host's network; {ON_BRIDGE}"
    elif not place.bridged:
        yield f"not yet: the server {name} is on no network of its own; {ON_BRIDGE}"
    if place.known and place.kind == "container" and place.compose is None:
        yield (
            f"not yet: {name} has no labels of Compose, by which today's playbooks find a stack; "
            "start it by Compose"
        )
    if server.port is None:
        yield f"the server {name} does not answer: wait until it has started, or look at its log"
    elif server.version is None and place.known:
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
        yield f"not yet: the agent is {place}, and no container; {ON_BRIDGE}"
    elif place.on_host_network:
        yield f"not yet: the agent {name} is on the host's network; {ON_BRIDGE}"
    elif server.place and server.place.bridged and not _share(place, server.place):
        yield (
            f"not yet: {name} and {server.name} share no Docker network; put both on one, and let "
            "the agent's LIVEKIT_URL name the server's service"
        )
    if place.known and place.kind == "container":
        yield from _of_compose(place, server)
    if agent.packages is None and place.known:
        yield (
            f"the agent {name} is not written in Python, or its interpreter could not be asked: "
            "only LiveKit's Python SDK can be moved"
        )
    if agent.settings.url and agent.settings.address is None:
        yield (
            f"{name} has a LIVEKIT_URL that is no address, {agent.settings.url!r}; set it to "
            "ws://<host>:<port>"
        )


def _of_compose(place: Place, server: Server) -> Iterator[str]:
    theirs = server.place.compose if server.place else None
    if place.compose is None:
        yield (
            f"not yet: {place.name} has no labels of Compose, by which today's playbooks find an "
            "agent; start it by Compose"
        )
    elif theirs and theirs.project != place.compose.project:
        yield (
            f"not yet: {place.name} is of the Compose project {place.compose.project}, and the "
            f"server of {theirs.project}; put both into one"
        )


def _of_several(workers: list[Agent], chosen: list[Agent]) -> Iterator[str]:
    """Whoever shares its key with others is not moved alone; of others one is to be named."""
    shared = [said for agent in chosen if (said := sharing(agent, workers))]
    yield from shared[:1]
    if not shared and len(chosen) > 1:
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


def _share(one: Place, other: Place) -> bool:
    return bool(set(one.network) & set(other.network)) if one.bridged and other.bridged else False
