#!/usr/bin/python
"""Ansible module: flip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_weights
short_description: Set the weights of the colours at the dispatch gateway
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  blue: {description: Percentage of new rooms for blue., type: int, required: true}
  green: {description: Percentage of new rooms for green., type: int, required: true}
attributes:
  check_mode: {support: full, description: Tells whether the weights would change.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Everything to green
  releve_weights:
    socket: /run/releve/eloquence/admin.sock
    blue: 0
    green: 100
"""

RETURN = r"""
before: {description: Weights found., returned: always, type: dict}
ms: {description: What the caller of the gateway waited., returned: when changed, type: float}
flips: {description: Flips since the gateway started., returned: always, type: int}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "blue": {"type": "int", "required": True},
            "green": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    wanted = {"blue": module.params["blue"], "green": module.params["green"]}
    gateway = Gateway(module.params["socket"])
    try:
        state = gateway.state()
        result = {"before": state["weights"], "flips": state["flips"]}
        if state["weights"] == wanted or module.check_mode:
            module.exit_json(changed=state["weights"] != wanted, **result)
        answer = gateway.set_weights(wanted)
    except GatewayError as error:
        module.fail_json(msg=str(error))
    result["flips"] += 1
    module.exit_json(changed=True, ms=answer["round_trip_ms"], **result)


if __name__ == "__main__":
    main()
