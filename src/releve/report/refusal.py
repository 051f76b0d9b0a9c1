"""Options of `ansible-playbook` with which a run would do nothing, or begin in the middle.

For the callback: Ansible itself takes them and exits with 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.play import Play

from releve.report.command import shown

ANSIBLES_OWN = {"all", "always", "never", "tagged", "untagged"}
# What Molecule leaves out of every playbook.
MOLECULES = {"molecule-notest", "notest", "molecule-idempotence-notest"}


def phases(playbook: Playbook) -> set[str]:
    """The tags in its plays: each phase has one. Those that mean something to Ansible are none."""
    tags: set[str] = set()
    for play in playbook.get_plays():
        tags.update(play.tags, _tags(_tasks(play)))
    return tags - ANSIBLES_OWN


def refusal(playbook: Playbook, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why these options make no run, and what to do instead; None where they make one."""
    there = phases(playbook)
    for option in ("tags", "skip_tags"):
        unknown = {*(options.get(option) or ())} - there - ANSIBLES_OWN - MOLECULES
        if unknown and (there or option == "tags"):  # else it runs as a whole all the same
            flag = f"--{option.replace('_', '-')}"
            return (
                f"{flag} {','.join(sorted(unknown))}: this playbook has no such phase; "
                f"it has {', '.join(sorted(there)) or 'none'}",
                f"the same command with a phase that it has, or without {flag}",
            )
    if {"always", "preflight"} & {*(options.get("skip_tags") or ())}:
        return (
            "--skip-tags preflight: every other phase works with what preflight finds",
            "the same command without it",
        )
    if options.get("start_at_task"):
        return (
            "--start-at-task would begin without settings, lock and preflight",
            "the same command without it: a run goes on where an earlier one stopped",
        )
    return None


def no_hosts(group: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """Why a play has no host, and what to do."""
    sources = ", ".join(shown(Path(each).absolute()) for each in options.get("inventory") or ())
    limit = f" within --limit {options['subset']}" if options.get("subset") else ""
    return (
        f"no host is in group {group} of inventory {sources or 'none'}{limit}",
        "put the target into that group, as inventories/staging/hosts.yml does, or name another "
        "inventory with -i",
    )


def _tasks(play: Play) -> list[Any]:
    return [*play.pre_tasks, *play.tasks, *play.post_tasks]


def _tags(tasks: Iterable[Any]) -> Iterator[str]:
    for task in tasks:
        yield from task.tags
        if isinstance(task, Block):
            yield from _tags([*task.block, *task.rescue, *task.always])
