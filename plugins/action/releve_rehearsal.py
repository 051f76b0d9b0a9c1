"""Shows on the console how far the module of this name is: see releve_backup."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from action import releve_backup


class ActionModule(releve_backup.ActionModule):
    """Ansible looks for one by the module's name."""
