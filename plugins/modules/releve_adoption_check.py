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
  tls_host: {description: To which host it speaks wss., type: str}
  cert: {description: The gateway's certificate for blue., type: str, default: ""}
  key: {description: Its key., type: str, default: ""}
  authorities: {description: PEM file with whom to trust besides., type: str, default: ""}
  on_host: {description: The agent is on the host's network., type: bool, default: false}
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

from ansible.module_utils.adoption.obstacles import obstacle, of_tls
from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "not_live": {"type": "str"},
            "tls_host": {"type": "str"},
            "cert": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": False},
            "authorities": {"type": "str", "default": ""},
            "on_host": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    asked = module.params
    why = asked["not_live"] or of_tls(
        asked["tls_host"], asked["cert"], asked["key"], asked["authorities"]
    )
    module.exit_json(changed=False, obstacle=obstacle(why, asked["on_host"]))


if __name__ == "__main__":
    main()
