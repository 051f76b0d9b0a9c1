#!/usr/bin/python
"""Ansible module: give new rooms back to the colours that had them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_go_back
short_description: Put back the weights of before a run, as releve_rollback does
description:
  - It takes the gateway's next epoch, which supersedes a rollout that is under way, and uncordons
    the colours that get weight.
  - When no worker of those is connected it sets the weights, lets the others step in, and fails.
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  weights: {description: Percentage of new rooms by colour., type: dict, required: true}
  by: {description: Who decides, for the gateway's record., type: str, required: true}
attributes:
  check_mode: {support: full, description: Tells whether the weights would change.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Put back the weights of before the run
  releve_go_back:
    socket: /var/lib/releve/eloquence/run/admin.sock
    weights: {blue: 100, green: 0}
    by: "{{ releve_run_id }}"
"""

RETURN = r"""
before: {description: Weights found., returned: when a gateway answers, type: dict}
at: {description: The target's monotonic clock in seconds., returned: when changed, type: float}
ms: {description: What the caller of the gateway waited., returned: when changed, type: float}
flips: {description: Flips since the gateway began., returned: when a gateway answers, type: int}
"""

from ansible.module_utils import run
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "weights": {"type": "dict", "required": True},
            "by": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    wanted = {colour: int(weight) for colour, weight in params["weights"].items()}
    try:
        gone_back, failure = run.go_back(
            Gateway(params["socket"]), wanted, params["by"], module.check_mode
        )
    except GatewayError as error:
        module.fail_json(msg=str(error))
    if failure:
        module.fail_json(msg=failure, **gone_back)
    module.exit_json(**gone_back)


if __name__ == "__main__":
    main()
