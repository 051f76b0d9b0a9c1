#!/usr/bin/python
"""Ansible module: let a dark release be called by its dark name, and by nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_admit
short_description: Uncordon a colour without weight, and have it stand in for nobody
description:
  - A colour that was drained is cordoned, and gets no call by its dark name either.
  - Where it could take public rooms as a fallback, the colour in service does so instead.
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  from: {description: The colour in service., type: str, required: true}
  to: {description: The colour that is brought in., type: str, required: true}
  by: {description: "Who decides, for the gateway's record.", type: str, required: true}
attributes:
  check_mode: {support: full, description: Tells whether something would change.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Let green be called
  releve_admit:
    socket: /var/lib/releve/eloquence/run/admin.sock
    from: blue
    to: green
    by: "{{ releve_run_id }}"
"""

RETURN = r""""""

from ansible.module_utils import run
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "from": {"type": "str", "required": True},
            "to": {"type": "str", "required": True},
            "by": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    gateway = Gateway(asked["socket"])
    try:
        changed = run.admit(gateway, asked["from"], asked["to"], asked["by"], module.check_mode)
    except GatewayError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
