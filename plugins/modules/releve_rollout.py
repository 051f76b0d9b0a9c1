#!/usr/bin/python
"""Ansible module: follow a rollout's controller, or tell it something."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_rollout
short_description: Read what a rollout's controller does, wait for its end, approve, pause or resume
options:
  folder: {description: The controller's state folder on the target., type: path, required: true}
  wait: {description: Until it has ended or waits for a person., type: bool, default: false}
  wish: {description: What it is to do., type: str, choices: [approve, pause, resume]}
  by: {description: Who wishes it., type: str}
attributes:
  check_mode: {support: full, description: Wishes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Go on
  releve_rollout:
    folder: /var/lib/releve/eloquence/rollout
    wish: approve
    by: alice@ops
"""

RETURN = r"""
status: {description: What the controller tells., returned: success, type: dict}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import GatewayError
from ansible.module_utils.rollout import Controller


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "wait": {"type": "bool", "default": False},
            "wish": {"type": "str", "choices": ["approve", "pause", "resume"]},
            "by": {"type": "str"},
        },
        required_by={"wish": "by"},
        supports_check_mode=True,
    )
    params, controller = module.params, Controller(module.params["folder"])
    wishes = params["wish"] is not None
    try:
        if wishes and not module.check_mode:
            status = controller.wish(params["wish"], params["by"])
        else:
            status = controller.end() if params["wait"] else controller.status()
    except GatewayError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=wishes, status=status)


if __name__ == "__main__":
    main()
