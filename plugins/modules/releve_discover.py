#!/usr/bin/python
"""Ansible module: which LiveKit Servers and agents run on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_discover
short_description: Find LiveKit Servers and agents on a host, whatever started them
description:
  - Reads processes, their connections and the Docker Engine.
  - A server tells its version by its program, or to a worker that registers for a moment under a
    name of its own. Agents are asked by their own interpreter, as their own user.
  - Says of each stack why it cannot be moved, and of one that can gives an inventory.
  - Of keys it returns the names of the files that hold them, never a key.
options:
  stack: {description: The stack to be moved, where several are found., type: str}
  agent_service: {description: The agent service to be moved, where several are., type: str}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Look what runs here
  releve_discover:
"""

RETURN = r"""
page: {description: What was found, as lines of text., returned: always, type: list}
stacks:
  description: Name of each stack, and a sentence for each thing that keeps it from being moved.
  returned: always
  type: list
inventory:
  description: group_vars/eloquence/stack.yml of the stack, null where it cannot be moved.
  returned: always
  type: str
refused:
  description: Why there is no inventory, one sentence each.
  returned: always
  type: list
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.discovery.inventory import inventory_for
from ansible.module_utils.discovery.machine import Machine
from ansible.module_utils.discovery.obstacles import obstacles
from ansible.module_utils.discovery.page import page
from ansible.module_utils.docker_host import engine


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"stack": {"type": "str"}, "agent_service": {"type": "str"}},
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(
            msg="discovery looks at every process of the host, so it needs root: run with "
            "--become, or set ansible_become: true"
        )
    client, why = engine()
    machine = Machine(client)
    found = machine.look()
    service = module.params["agent_service"]
    inventory, refused = inventory_for(found, why, module.params["stack"], service)
    module.exit_json(
        changed=False,
        page=page(machine, found, why, service),
        stacks=[
            {"name": stack.name, "obstacles": obstacles(stack, why, service)}
            for stack in found.stacks
        ],
        inventory=inventory,
        refused=refused,
    )


if __name__ == "__main__":
    main()
