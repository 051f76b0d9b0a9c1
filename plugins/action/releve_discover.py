"""Action plugin: runs the module, and adds to its result how the host was reached.

    - releve_discover:

`reached` holds the variables with which an inventory reaches the host again: connection, address,
port, user and become. They may come from the command line, which no variable tells. It has no
password.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

OPTIONS = {"ansible_host": "host", "ansible_port": "port", "ansible_user": "remote_user"}


class ActionModule(ActionBase):
    """The module's own result, and `reached`."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Changes nothing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result |= self._execute_module(task_vars=task_vars)
        return result | {"reached": reached(self._connection)}


def reached(connection: Any) -> dict[str, Any]:
    """The variables that lead to this connection again."""
    found: dict[str, Any] = {"ansible_connection": connection.transport}
    if connection.become is not None:
        found["ansible_become"] = True
    if connection.transport == "local":
        return found
    for name, option in OPTIONS.items():
        if connection.has_option(option) and (value := connection.get_option(option)) is not None:
            found[name] = value
    return found
