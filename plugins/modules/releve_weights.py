#!/usr/bin/python
"""Ansible module: set the weights."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_weights
short_description: Set the weights of the colours at the dispatch gateway
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  blue: {description: Percentage of new rooms for blue., type: int, required: true}
  green: {description: Percentage of new rooms for green., type: int, required: true}
  by: {description: Who decides, for the gateway's record., type: str, default: playbook}
attributes:
  check_mode: {support: full, description: Tells whether the weights would change.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Everything to green
  releve_weights:
    socket: /var/lib/releve/eloquence/run/admin.sock
    blue: 0
    green: 100
"""

RETURN = r"""
before: {description: Weights found., returned: always, type: dict}
at: {description: The target's monotonic clock in seconds., returned: when changed, type: float}
ms: {description: What the caller of the gateway waited., returned: when changed, type: float}
flips: {description: Flips since the gateway started., returned: always, type: int}
"""

from ansible.module_utils import run
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "blue": {"type": "int", "required": True},
            "green": {"type": "int", "required": True},
            "by": {"type": "str", "default": "playbook"},
        },
        supports_check_mode=True,
    )
    wanted = {"blue": module.params["blue"], "green": module.params["green"]}
    gateway, by = Gateway(module.params["socket"]), module.params["by"]
    try:
        module.exit_json(**run.flip(gateway, wanted, by, module.check_mode))
    except GatewayError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
