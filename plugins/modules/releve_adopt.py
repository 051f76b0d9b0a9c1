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
  - On the host's network a rule catches only the cgroup of the agent's container.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  blue: {description: The agent as releve_stack_info returns it., type: dict, required: true}
  gateway: {description: The gateway as releve_stack_info returns it., type: dict, required: true}
  gateway_port: {description: The gateway's port for blue workers., type: int, default: 7890}
  on_host: {description: Agent and gateway are on the host's network., type: bool, default: false}
  socket: {description: The gateway's admin socket., type: path, required: true}
  timeout: {description: Seconds until it must have registered., type: float, default: 5}
attributes:
  check_mode: {support: full, description: Tells whether the worker would be moved.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Adopt blue
  releve_adopt:
    stack: eloquence
    blue: "{{ stack_now.blue }}"
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

from ansible.module_utils.adoption.command import AdoptionError, RuleLeftError
from ansible.module_utils.adoption.connections import Endpoint
from ansible.module_utils.adoption.group import Group
from ansible.module_utils.adoption.redirect import (
    Redirect,
    adopt,
    in_its_own_network,
    on_the_hosts_network,
)
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError, workers


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "blue": {"type": "dict", "required": True},
            "gateway": {"type": "dict", "required": True},
            "gateway_port": {"type": "int", "default": 7890},
            "on_host": {"type": "bool", "default": False},
            "socket": {"type": "path", "required": True},
            "timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    blue, gateway = params["blue"], Gateway(params["socket"])
    try:
        adopted = bool(blue["adopted"])
        if blue["seen"] is None:
            if adopted:
                module.exit_json(changed=False)
            raise AdoptionError(f"{blue['name']} has no connection to the server; see its log")
        redirect = Redirect(blue["pid"], _way(params))
        if module.check_mode:
            module.exit_json(changed=not adopted or bool(redirect.left_rules()))
        swept = redirect.sweep()
        if adopted:
            module.exit_json(changed=swept)
        before = {one["id"] for one in workers(gateway.state(), "blue")}
        began = time.monotonic()
        adopt(redirect, lambda: _registered(gateway, blue["address"], before, params["timeout"]))
        module.exit_json(changed=True, ms=round((time.monotonic() - began) * 1000, 1))
    except RuleLeftError as error:
        module.fail_json(msg=str(error))
    except (AdoptionError, GatewayError) as error:
        module.fail_json(
            msg=f"{blue['name']} was not adopted and talks to the server as before: {error}"
        )


def _way(params):  # type: ignore[no-untyped-def]
    blue, port = params["blue"], params["gateway_port"]
    server = Endpoint(blue["seen"]["address"], int(blue["seen"]["port"]))
    if not params["on_host"]:
        return in_its_own_network(server, Endpoint(params["gateway"]["address"], port))
    return on_the_hosts_network(server, port, params["stack"], Group(blue["pid"], blue["id"]))


def _registered(gateway: Gateway, address: str, before: set[str], seconds: float) -> None:
    """On the host's network all workers have one address: it is one that was not there before."""
    peer = None if address == "127.0.0.1" else address

    def new(state):  # type: ignore[no-untyped-def]
        return [one for one in workers(state, "blue", peer) if one["id"] not in before]

    state = gateway.wait(
        lambda now: bool(new(now)), seconds, "the worker did not register at the gateway"
    )
    key, worker = state["upstreams"][0], new(state)[0]
    for part in ("agent_name", "namespace"):
        if worker[part] != key[part]:
            raise GatewayError(
                f"the worker registers with {part} {worker[part]!r}, the gateway with "
                f"{key[part]!r}; set `agent_{part.removeprefix('agent_')}: {worker[part]}`"
            )


if __name__ == "__main__":
    main()
