#!/usr/bin/python
"""Ansible module: check whether a worker on this host can be adopted live."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_adoption_check
short_description: Tell what stands in the way of live adoption on this host
description:
  - Looks for the tools, and tries on a loopback connection of its own whether sockets can be cut.
options:
  not_live: {description: What releve_stack_info says against it for this agent., type: str}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Look for obstacles
  releve_adoption_check:
    not_live: "{{ stack_now.blue.not_live }}"
"""

RETURN = r"""
obstacle: {description: A sentence, or null when there is none., returned: always, type: str}
"""

from ansible.module_utils.adoption import obstacle
from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"not_live": {"type": "str"}}, supports_check_mode=True)
    module.exit_json(changed=False, obstacle=obstacle(module.params["not_live"]))


if __name__ == "__main__":
    main()
