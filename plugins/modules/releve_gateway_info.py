#!/usr/bin/python
"""Ansible module: the gateway's live state, now or once it is as wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_gateway_info
short_description: Read the state of the dispatch gateway, or wait for it
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  connected: {description: Wait until it is registered at the server., type: bool, default: false}
  worker:
    description: Wait for a registered worker of this colour.
    type: str
    choices: [blue, green]
  count: {description: How many of them., type: int, default: 1}
  container:
    description: >-
      Give up when this container stops meanwhile. With O(connected) it is the gateway's own, and no
      other gateway's answer counts.
    type: str
  calls: {description: Ask the server who is in the rooms, type: bool, default: false}
  timeout: {description: Seconds to wait., type: float, default: 20}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Wait for green
  releve_gateway_info:
    socket: /var/lib/releve/eloquence/run/admin.sock
    worker: green
    container: eloquence-agent-green
"""

RETURN = r"""
state: {description: What GET /state answers., returned: always, type: dict}
jobs: {description: What GET /jobs answers., returned: always, type: list}
calls:
  description: What GET /calls answers, every agent in every room by the server's word.
  returned: when O(calls) was asked for and the server answers; else the module fails
  type: list
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.gateway import Gateway, GatewayError, connected, workers


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "connected": {"type": "bool", "default": False},
            "worker": {"type": "str", "choices": ["blue", "green"]},
            "count": {"type": "int", "default": 1},
            "container": {"type": "str"},
            "calls": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 20.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    gateway = Gateway(params["socket"])
    waiting = []
    if params["connected"]:
        host = _host(module, params["container"]) if params["container"] else None
        met = partial(connected, host=host)
        waiting.append((met, "the gateway did not register at the server"))
    if params["worker"]:
        count = params["count"]
        one = f"no {params['worker']} worker registered at the gateway"
        many = f"fewer than {count} {params['worker']} workers registered at the gateway"
        there = lambda state: len(workers(state, params["worker"])) >= count  # noqa: E731
        waiting.append((there, one if count == 1 else many))
    watch = _container_watch(module, params["container"]) if params["container"] else None
    try:
        for met, what in waiting:
            gateway.wait(met, params["timeout"], what, **({"give_up": watch} if watch else {}))
        calls = {"calls": gateway.calls()} if params["calls"] else {}
        module.exit_json(changed=False, state=gateway.state(), jobs=gateway.jobs(), **calls)
    except GatewayError as error:
        module.fail_json(msg=str(error))


def _host(module, name):  # type: ignore[no-untyped-def]
    return docker_client(module).containers.get(name).attrs["Config"]["Hostname"]


def _container_watch(module, name):  # type: ignore[no-untyped-def]
    client = docker_client(module)

    def stopped() -> str | None:
        container = client.containers.get(name)
        state = container.attrs["State"]
        if state["Running"] and not state["Restarting"] and container.attrs["RestartCount"] == 0:
            return None
        said = container.logs(tail=5).decode(errors="replace").strip().splitlines()
        return f"container {name} ended by itself, it said: {said[-1] if said else 'nothing'}"

    return stopped


if __name__ == "__main__":
    main()
