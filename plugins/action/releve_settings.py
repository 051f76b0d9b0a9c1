"""Action plugin: refuses an unsupported ansible-core and unknown settings.

    - releve_settings:

It reads the host's variables and nothing on the target, so that a misspelt setting is refused
before the lock is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from packaging.specifiers import SpecifierSet

from releve.settings import unknown

REPOSITORY = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):
    """Fails with a sentence for each unknown setting."""

    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Changes nothing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        wanted = yaml.safe_load((REPOSITORY / "meta/runtime.yml").read_text(encoding="utf-8"))
        if __version__ not in SpecifierSet(wanted["requires_ansible"], prereleases=True):
            raise AnsibleActionFail(
                f"this is ansible-core {__version__}, and Relève works with "
                f"{wanted['requires_ansible']}: `make venv` installs one into .venv"
            )
        if wrong := unknown(task_vars or {}, REPOSITORY):
            raise AnsibleActionFail(f"{'; '.join(wrong)}. All of them are in docs/settings.md")
        return result | {"changed": False}
