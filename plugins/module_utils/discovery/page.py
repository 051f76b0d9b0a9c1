"""What was found, as one page of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from .agents import Agent
from .machine import Found, Machine, Stack
from .obstacles import about_the_host, not_live, obstacles

COLUMNS = ("", "where", "version", "connected")


def page(
    machine: Machine, found: Found, engine: str | None, agent_service: str | None
) -> list[str]:
    """Lines for a terminal: each stack as a table, and what stands in its way."""
    lines = [] if engine is None else [f"Docker: {engine}."]
    for stack in found.stacks:
        lines += [
            "",
            f"STACK {stack.name}",
            *_table(_rows(machine, stack)),
            *_about(machine, stack),
        ]
        wrong = obstacles(stack, engine, agent_service)
        if wrong:
            lines += ["  Cannot be moved by today's playbooks:", *(f"  - {one}." for one in wrong)]
        else:
            lines += ["  Can be moved."]
    return [*lines, *(f"{one[0].upper()}{one[1:]}." for one in about_the_host(found))]


def _rows(machine: Machine, stack: Stack) -> Iterator[Sequence[str]]:
    server = stack.server
    told = f"{server.version or 'unknown'} ({server.version_from or 'nobody told'})"
    where = str(server.place) if server.place else "not on this host"
    yield "server", where, told, server.url or f"port {server.port or 'unknown'}"
    for agent in (*stack.workers, *stack.bots):
        yield (
            _what(agent),
            str(agent.place),
            _versions(agent),
            _how(machine, agent),
        )
    for kind, place in stack.beside:
        yield kind, str(place), "", ""


def _what(agent: Agent) -> str:
    if not agent.worker:
        return "direct bot"
    return f"agent {agent.agent_name!r}" if agent.agent_name else "agent"


def _versions(agent: Agent) -> str:
    packages = agent.packages or {}
    names = [name for name in ("livekit-agents", "livekit") if name in packages]
    return ", ".join(f"{name} {packages[name]}" for name in names) or "unknown"


def _how(machine: Machine, agent: Agent) -> str:
    url = agent.settings.url or "URL unknown"
    if machine.behind_gateway(agent):
        return f"{url}, behind the gateway"
    through = ", ".join(one.program for one in agent.route.through) if agent.route else ""
    return f"{url} through {through}" if through else url


def _about(machine: Machine, stack: Stack) -> Iterator[str]:
    compose = stack.server.place.compose if stack.server.place else None
    if compose is not None:
        files = ", ".join(compose.files) or "files unknown"
        env = f", env file {compose.env_file}" if compose.env_file else ""
        yield f"  Compose {compose.version or ''} in {compose.folder}: {files}{env}.".replace(
            "  in", " in"
        )
    for agent in stack.workers:
        read = agent.settings
        yield (
            f"  {agent.place.name}: URL from {read.url_from or 'nowhere found'}, keys from "
            f"{read.keys_from or 'nowhere found'}, {_python(agent)}."
        )
        why = not_live(agent)
        if why and agent.place.colour is None and not machine.behind_gateway(agent):
            yield f"  {agent.place.name}: `adoption: restart`, because {why}."
    for bot in stack.bots:
        yield f"  {bot.place.name} joins rooms by itself, without a worker: it is left alone."
    if stack.participants is not None:
        kinds = Counter(who["kind"] for who in stack.participants)
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nobody"
        rooms = len({who["room"] for who in stack.participants})
        yield f"  Now in {rooms} rooms: {told}."


def _python(agent: Agent) -> str:
    if agent.packages is None:
        return "no Python that could be asked"
    return f"Python {agent.packages.get('python')} at {agent.packages.get('executable')}"


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    found = [COLUMNS, *rows]
    widths = [max(len(row[at]) for row in found) for at in range(len(COLUMNS))]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in found
    ]
