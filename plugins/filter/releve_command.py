"""Filter: playbooks of this repository as the command that an operator types next.

    {{ 'playbooks/status.yml' | releve_command }}

gives `ansible-playbook -i inventories/prod playbooks/status.yml` in a run that was started with
`-i inventories/prod`. Every sentence that names a command takes it from here, so that it reaches
the host of this run and not that of the default inventory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from releve.report.command import next_command

REPOSITORY = Path(__file__).resolve().parents[2]


def releve_command(playbooks: str | list[str], stack: str | None = None, further: str = "") -> str:
    """The command, with `further` at its end; for `stack` where that is not the run's own."""
    named = [playbooks] if isinstance(playbooks, str) else playbooks
    return next_command(*(REPOSITORY / name for name in named), stack=stack, further=further)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"releve_command": releve_command}
