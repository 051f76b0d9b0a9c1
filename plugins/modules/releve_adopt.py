#!/usr/bin/python
"""Ansible module: bring the running blue worker behind the gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_adopt
short_description: Move a running agent worker behind the dispatch gateway without a restart
description:
  - Live adoption. The worker's own connection is cut once and led to the gateway; calls go on.
  - Does nothing when the worker already stands at the gateway, but for a rule that an adoption left
    which was killed.
  - When the worker does not register in time, or under another key than the gateway's, it is led
    back to the server and the module fails.
options:
  blue: {description: The agent as releve_stack_info returns it., type: dict, required: true}
  server: {description: The server as releve_stack_info returns it., type: dict, required: true}
  gateway: {description: The gateway as releve_stack_info returns it., type: dict, required: true}
  gateway_port: {description: The gateway's port for blue workers., type: int, default: 7890}
  socket: {description: The gateway's admin socket., type: path, required: true}
  timeout: {description: Seconds until it must have registered., type: float, default: 5}
attributes:
  check_mode: {support: full, description: Tells whether the worker would be moved.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Adopt blue
  releve_adopt:
    blue: "{{ stack_now.blue }}"
    server: "{{ stack_now.server }}"
    gateway: "{{ stack_now.gateway }}"
    socket: /var/lib/releve/eloquence/run/admin.sock
"""

RETURN = r"""
ms:
  description: From the cut to the registration at the gateway.
  returned: when the worker was moved
  type: float
"""

import time

from ansible.module_utils import adoption
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError, workers


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "blue": {"type": "dict", "required": True},
            "server": {"type": "dict", "required": True},
            "gateway": {"type": "dict", "required": True},
            "gateway_port": {"type": "int", "default": 7890},
            "socket": {"type": "path", "required": True},
            "timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    blue, gateway = params["blue"], Gateway(params["socket"])
    redirect = adoption.Redirect(
        blue["pid"],
        adoption.Endpoint(params["server"]["address"], blue["server_port"]),
        adoption.Endpoint(params["gateway"]["address"], params["gateway_port"]),
    )
    try:
        adopted = bool(workers(gateway.state(), "blue", blue["address"]))
        if module.check_mode:
            module.exit_json(changed=not adopted or bool(redirect.left_rules()))
        swept = redirect.sweep()
        if adopted:
            module.exit_json(changed=swept)
        began = time.monotonic()
        adoption.adopt(redirect, lambda: _registered(gateway, blue["address"], params["timeout"]))
        module.exit_json(changed=True, ms=round((time.monotonic() - began) * 1000, 1))
    except adoption.RuleLeftError as error:
        module.fail_json(msg=str(error))
    except (adoption.AdoptionError, GatewayError) as error:
        module.fail_json(msg=f"blue was not adopted and talks to the server as before: {error}")


def _registered(gateway: Gateway, address: str, seconds: float) -> None:
    state = gateway.wait(
        lambda now: bool(workers(now, "blue", address)),
        seconds,
        "the worker did not register at the gateway",
    )
    key = state["upstreams"][0]
    worker = workers(state, "blue", address)[0]
    for part in ("agent_name", "namespace"):
        if worker[part] != key[part]:
            raise GatewayError(
                f"the worker registers with {part} {worker[part]!r}, the gateway with "
                f"{key[part]!r}; set `agent_{part.removeprefix('agent_')}: {worker[part]}`"
            )


if __name__ == "__main__":
    main()
