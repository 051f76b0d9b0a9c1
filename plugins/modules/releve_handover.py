#!/usr/bin/python
"""Ansible module: move live calls to the other colour."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_handover
short_description: Move live calls to the other colour, by the dispatch gateway
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  room: {description: The one room., type: str}
  colour: {description: The colour that its calls leave., type: str, choices: [blue, green]}
  every: {description: Seconds from one room to the next., type: float, default: 2}
  at_once: {description: Rooms under way at once., type: int, default: 1}
  context_seconds: {description: Time for an agent to tell its context., type: float, default: 3}
  without_context: {description: Also calls without a context., type: bool, default: false}
  by: {description: Who wants it., type: str, default: playbook}
attributes:
  check_mode: {support: full, description: Tells whether there are calls that would be moved.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Everybody who still talks to blue
  releve_handover:
    socket: /var/lib/releve/eloquence/run/admin.sock
    colour: blue
"""

RETURN = r"""
handover: {description: GET /handover at the end., returned: outside of check mode, type: dict}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError

PARTS = ("room", "colour", "every", "at_once", "context_seconds", "without_context")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "room": {"type": "str"},
            "colour": {"type": "str", "choices": ["blue", "green"]},
            "every": {"type": "float", "default": 2.0},
            "at_once": {"type": "int", "default": 1},
            "context_seconds": {"type": "float", "default": 3.0},
            "without_context": {"type": "bool", "default": False},
            "by": {"type": "str", "default": "playbook"},
        },
        mutually_exclusive=[("room", "colour")],
        required_one_of=[("room", "colour")],
        supports_check_mode=True,
    )
    params, gateway = module.params, Gateway(module.params["socket"])
    try:
        if module.check_mode:
            colour = params["colour"]
            rooms = [it["room"] for it in gateway.calls() if (it["colour"] or "blue") == colour]
            module.exit_json(changed=bool(rooms) or params["room"] is not None)
        told = gateway.hand_over(params["by"], **{name: params[name] for name in PARTS})
    except GatewayError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=any(it["state"] == "new" for it in told["rooms"]), handover=told)


if __name__ == "__main__":
    main()
