"""What was found, as an inventory that preflight accepts: each line says where it was read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .agents import Agent
from .machine import Found, Stack
from .obstacles import (
    about_the_host,
    key,
    not_live,
    obstacles,
    ours,
    service,
    share_network,
)
from .servers import Server

KEYS = "/var/lib/releve/{}/keys.yaml"


def inventory_for(
    found: Found, engine: str | None, stack: str | None, agent_service: str | None
) -> tuple[str | None, list[str]]:
    """group_vars/eloquence/stack.yml of the one stack that is meant, or why there is none."""
    names = sorted({one.name for one in found.stacks})
    meant = [one for one in found.stacks if stack in (None, one.name)]
    if not found.stacks:
        return None, about_the_host(found)
    if not meant:
        return None, [f"no stack {stack} runs here; found: {', '.join(names)}"]
    if len(meant) > 1:
        several = f"{len(found.stacks)} stacks run here"
        if len(names) == 1:
            several = f"{len(meant)} servers run in the stack {names[0]}, and today's playbooks "
            return None, [several + "move a stack with one"]
        return None, [f"{several}: say which is meant, -e stack=<{'|'.join(names)}>"]
    wrong = obstacles(meant[0], engine, agent_service)
    return (None, wrong) if wrong else (_file(meant[0], agent_service), [])


def _file(stack: Stack, agent_service: str | None) -> str:
    agent = next(
        one
        for one in stack.workers
        if one.place.colour is None and agent_service in (None, service(one))
    )
    lines = ["---", "# Written by playbooks/discover.yml from what ran.", *_lines(stack, agent)]
    return "\n".join(lines) + "\n"


def _lines(stack: Stack, agent: Agent) -> Iterator[str]:
    server, place, name = stack.server, agent.place, agent.place.name
    assert place.compose is not None, "a stack without obstacles has an agent of Compose's"
    label = "label com.docker.compose"
    yield _line("stack", place.compose.project, f"{label}.project of {name}")
    yield from _of_the_server(server, agent)
    yield _line("agent_service", service(agent), f"{label}.service of {name}")
    known = key(agent)
    if known is not None:
        yield _line("agent_name", known[0], f"{name} says so at its own port, /worker")
    else:
        version = (agent.packages or {}).get("livekit-agents", "this version")
        yield f"# agent_name: livekit-agents {version} does not tell it; write it if there is one."
    why = not_live(agent)
    if why is None:
        told = f"{name} speaks {agent.settings.url}, read from {agent.settings.url_from}"
        yield _line("adoption", "live", told)
    else:
        yield _line("adoption", "restart", f"{name} cannot be adopted live yet: {why}")
    keys = KEYS.format(stack.name)
    if agent.settings.keys_from:
        yield f"# API keys: preflight takes them from {agent.settings.keys_from} into {keys}."
    else:
        yield f"# API keys: not found at the agent. Write `<key>: <secret>` into {keys}, mode 0600."
    talks = sorted(one for one in agent.packages or {} if one.startswith("livekit-plugins-"))
    if talks:
        yield f"# talking_colours: [blue] # if it talks: it has {', '.join(talks)}"


def _of_the_server(server: Server, agent: Agent) -> Iterator[str]:
    name = agent.place.name
    if ours(server, agent):
        place = server.place
        assert place is not None and place.compose is not None
        label = "label com.docker.compose"
        yield _line("server_service", place.compose.service, f"{label}.service of {place.name}")
        told = f"{server.version_from}; kept as it is"
        yield _line("livekit_server_version", server.version, told)
        if share_network(agent, server):
            yield _line("server_port", server.port, f"where {place.name} answers /rtc/validate")
            return
    else:
        where = server.place or server.url or server.name
        yield _line("server_service", "", f"{where}: neither pinned nor saved, not of this project")
    here = agent.place.on_host_network and server.place and server.place.on_host_network
    if here and (agent.settings.address is None or agent.settings.address.scheme == "wss"):
        yield _line("server_url", f"ws://127.0.0.1:{server.port}", "where it answers on this host")
    else:
        told = f"as {name} has it, read from {agent.settings.url_from}"
        yield _line("server_url", agent.settings.url, told)


def _line(name: str, value: object, where: str) -> str:
    """A setting; JSON's strings are YAML's. None is a template, whatever was found."""
    return (
        f"{name}: !unsafe {json.dumps(value)} # {where}"
        if "{" in str(value)
        else (f"{name}: {json.dumps(value)} # {where}")
    )
