#!/usr/bin/python
"""Ansible module: what runs in a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_stack_info
short_description: Read the live state of a LiveKit stack and of Relève beside it
description:
  - Finds server and agent of a compose project by their labels, and Relève's own containers.
  - Asks the containers for the versions that really run, and a gateway that runs for its state.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  server_service: {description: Its LiveKit service or nothing., type: str, default: livekit}
  agent_service: {description: Its agent service., type: str, default: agent}
  socket: {description: The gateway's admin socket., type: path, required: true}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Read the stack
  releve_stack_info:
    stack: eloquence
    socket: /var/lib/releve/eloquence/run/admin.sock
"""

RETURN = r"""
stack:
  description: >-
    server, blue, green, gateway, sentinels (each null when absent), blues, network, volumes.
  returned: always
  type: dict
gateway:
  description: What GET /state and GET /jobs answer, as state and jobs; empty where none runs.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.discovery.servers import version_in
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.gateway import Gateway, GatewayError, workers
from ansible.module_utils.stack import HOST, Stack, StackError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "server_service": {"type": "str", "default": "livekit"},
            "agent_service": {"type": "str", "default": "agent"},
            "socket": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    gateway = Gateway(module.params.pop("socket"))
    try:
        found = Stack(docker_client(module), **module.params).read()
        runs = found["gateway"] is not None and found["gateway"]["running"]
        said = {"state": gateway.state(), "jobs": gateway.jobs()} if runs else {}
    except (StackError, GatewayError) as error:
        module.fail_json(msg=str(error))
    if said:
        _told_by_the_gateway(found, said["state"])
    module.exit_json(changed=False, stack=found, gateway=said)


def _told_by_the_gateway(found: dict[str, Any], state: dict[str, Any]) -> None:
    """What it knows better: whose worker is registered, and what a server elsewhere says."""
    for colour in ("blue", "green"):
        for agent in found[f"{colour}s"]:
            own = None if found["network"] == HOST else agent["address"]
            agent["adopted"] |= own is not None and bool(workers(state, colour, own))
    server = found["server"]
    if server["version"] is None:
        server["version"] = version_in(state["upstreams"][0]["server"])


if __name__ == "__main__":
    main()
