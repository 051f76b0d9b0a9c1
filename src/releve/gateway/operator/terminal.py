"""The gateway's state as an operator reads it on a terminal."""

from __future__ import annotations

from itertools import product
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from releve.gateway.policy import COLOURS


def colours(state: dict[str, Any]) -> Table:
    """One line per agent and colour."""
    table = Table("agent", "colour", "weight", "workers", "jobs", "")
    for (agent, told), colour in product(state["agents"].items(), COLOURS):
        mine = [
            worker
            for worker in state["workers"]
            if (worker["agent"], worker["colour"]) == (agent, colour)
        ]
        table.add_row(
            agent,
            Text(colour, style=colour),
            f"{told['weights'][colour]} %",
            str(len(mine)),
            str(sum(worker["jobs"] for worker in mine)),
            _mark(colour in told["cordoned"], colour in told["drained"]),
        )
    return table


def workers(state: dict[str, Any]) -> Table:
    """One line per worker."""
    table = Table("worker", "agent", "address", "version", "load", "jobs", "")
    for worker in state["workers"]:
        drained = worker["id"] in state["agents"][worker["agent"]]["drained"]
        marks = _mark(worker["cordoned"], drained)
        marks += " full" if worker["full"] else ""
        marks += " silent" if worker["silent"] else ""
        table.add_row(
            Text(worker["id"], style=worker["colour"]),
            worker["agent"],
            worker["peer"],
            worker["version"],
            f"{worker['load']:.2f}",
            str(worker["jobs"]),
            marks.strip(),
        )
    return table


def decisions(state: dict[str, Any]) -> Text:
    """Who has decided, one line per agent."""
    lines = [
        f"{agent}: epoch {told['epoch']}" + (f" by {told['by']}" if told["by"] else "")
        for agent, told in state["agents"].items()
    ]
    return Text("\n".join(lines))


def decision(told: dict[str, Any]) -> str:
    """A decision in one line."""
    weights = ", ".join(f"{colour} {weight} %" for colour, weight in told["weights"].items())
    cordons = [colour for colour, cordoned in told["cordons"].items() if cordoned]
    parts = [f"{told['agent']}: {weights}", f"epoch {told['epoch']} by {told['by']}"]
    if cordons:
        parts.insert(1, f"cordoned {' and '.join(cordons)}")
    return "; ".join([*parts, *filter(None, [told["why"]])])


def servers(state: dict[str, Any]) -> Text:
    """Whether the server is there, in one line."""
    lost = [
        item["agent_name"] or "(public)" for item in state["upstreams"] if not item["connected"]
    ]
    if lost:
        return Text(f"server lost under {', '.join(lost)}", style="bold red")
    return Text(f"server {state['upstreams'][0]['server']}, all keys registered")


def whole(state: dict[str, Any]) -> RenderableType:
    """All of it."""
    return Group(servers(state), colours(state), decisions(state), workers(state))


def jobs(listed: list[dict[str, Any]]) -> Table:
    """One line per job."""
    table = Table("room", "agent", "colour", "worker", "state", "job")
    for job in listed:
        colour = Text(job["colour"], style=job["colour"])
        table.add_row(job["room"], job["agent"], colour, job["worker"], job["state"], job["job"])
    return table


def why(told: dict[str, Any]) -> RenderableType:
    """The sentences first, then what they are drawn from."""
    lines: list[RenderableType] = []
    for item in told["agents"]:
        lines.append(Text(f"{item['agent']}: {item['why']}", style="bold"))
        if item["remedy"]:
            lines.append(Text(f"  To do: {item['remedy']}"))
        lines.append(Text(f"  {_chances(item)}"))
    people = ", ".join(f"{it['identity']} ({it['kind']})" for it in told["server"]["participants"])
    asked = ", ".join(
        f"{it['dispatch']} for {it['agent_name'] or '(no name)'}"
        for it in told["server"]["dispatches"]
    )
    lines.append(Text(f"in the room: {people or 'nobody'}; dispatches: {asked or 'none'}"))
    for entry in told["history"]:
        facts = {k: v for k, v in entry.items() if k not in ("event", "seconds_ago")}
        shown = " ".join(f"{name}={value}" for name, value in facts.items() if value)
        lines.append(Text(f"{entry['seconds_ago']:8.1f} s ago  {entry['event']:10} {shown}"))
    return Group(*lines)


def _chances(item: dict[str, Any]) -> str:
    """Who may get a new room of that name now, one colour after the other."""
    parts = []
    for colour in COLOURS:
        crowd = item["workers"][colour]
        counts = f"{crowd['connected']} workers, {crowd['cordoned']} cordoned, {crowd['full']} full"
        may = "" if colour in item["colours"] else ", not for this room"
        parts.append(f"{colour} {item['weights'][colour]} %: {counts}{may}")
    return "; ".join(parts)


def event(kind: str, content: dict[str, Any]) -> str:
    """An event in one line."""
    if kind == "decision":
        return f"{kind:10} " + decision(content)
    told = {k: v for k, v in content.items() if k not in ("number", "event", "monotonic")}
    return f"{kind:10} " + " ".join(f"{name}={value}" for name, value in told.items())


def _mark(cordoned: bool, drained: bool) -> str:
    return "drained" if drained else ("cordoned" if cordoned else "")
