#!/usr/bin/python
"""Ansible module: LiveKit Server's image and configuration (the part that runs on the target)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_server
short_description: Configure, pin and replace the LiveKit Server of a compose project
description:
  - Pins the image by digest, or by an exact tag where no registry has it, and mounts the
    configuration, by a compose file that the project reads at every later C(up).
  - The action plugin of the same name merges the configuration, has the server try it, and calls
    this module for each step.
  - A server that does not come up with the new image or configuration, or at which not everybody
    registers again, is replaced by the one of before, and the module fails.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  server_service: {description: Its LiveKit service., type: str, default: livekit}
  agent_service: {description: Its agent service., type: str, default: agent}
  socket: {description: The gateway's admin socket., type: path, required: true}
  image: {description: Image wanted, by id or reference., type: str, required: true}
  tag: {description: Its exact tag, where it has no digest., type: str, required: true}
  config: {description: The inventory's configuration., type: dict, default: {}}
  keys_file:
    description: All keys that the server accepts; those that it has where it is empty.
    type: path
  limits: {description: C(memory) and C(cpus) and C(nofile)., type: dict, default: {}}
  apply: {description: Replace the server where it differs., type: bool, default: false}
  compose: {description: The Compose command., type: list, elements: str, default: [docker-compose]}
  env_files: {description: The project's files of variables., type: list, elements: str}
  server_port: {description: Port at which it answers., type: int, default: 7880}
  seconds: {description: How long it may take to come up., type: float, default: 180}
  step:
    description: Filled in by the action plugin.
    type: str
    choices: [look, try, plan]
    default: plan
  whole: {description: Filled in as well., type: str}
  alone: {description: Filled in as well., type: str}
  keys: {description: Filled in as well., type: str}
attributes:
  check_mode:
    support: full
    description: >-
      Changes nothing. A configuration is tried all the same, in a container without network that is
      removed.
  diff_mode: {support: full, description: The configuration, secrets by name only.}
author: [Relève]
"""

EXAMPLES = r"""
- name: What would change at the server
  releve_server:
    stack: eloquence
    socket: /var/lib/releve/eloquence/run/admin.sock
    image: livekit/livekit-server:v1.9.0
    tag: livekit/livekit-server:v1.9.0
    config: {rtc: {use_ice_lite: true}}
"""

RETURN = r"""
differs: {description: A sentence for each difference., returned: success, type: list}
image: {description: The reference that pins the image., returned: success, type: str}
host: {description: A sentence for each limit that is too low., returned: success, type: list}
notes: {description: What to know besides., returned: success, type: list}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.gateway import Gateway
from ansible.module_utils.server.health import registered
from ansible.module_utils.server.place import ServerError
from ansible.module_utils.server.service import Asked, Service
from ansible.module_utils.stack import Stack, StackError

HIDDEN = ("config", "whole", "alone", "keys")  # keys are in them


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "server_service": {"type": "str", "default": "livekit"},
            "agent_service": {"type": "str", "default": "agent"},
            "socket": {"type": "path", "required": True},
            "image": {"type": "str", "required": True},
            "tag": {"type": "str", "required": True},
            "config": {"type": "dict", "default": {}},
            "keys_file": {"type": "path", "no_log": False},
            "limits": {"type": "dict", "default": {}},
            "apply": {"type": "bool", "default": False},
            "compose": {"type": "list", "elements": "str", "default": ["docker-compose"]},
            "env_files": {"type": "list", "elements": "str", "default": []},
            "server_port": {"type": "int", "default": 7880},
            "seconds": {"type": "float", "default": 180.0},
            "step": {"type": "str", "choices": ["look", "try", "plan"], "default": "plan"},
            "whole": {"type": "str", "no_log": True},
            "alone": {"type": "str", "no_log": True},
            "keys": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    printed = {"module_args": {key: one for key, one in asked.items() if key not in HIDDEN}}
    client = docker_client(module)
    from docker.errors import DockerException, NotFound

    def stack() -> Stack:  # as it is now: a stack that was read remembers
        return Stack(client, asked["stack"], asked["server_service"], asked["agent_service"])

    gateway = Gateway(asked["socket"])
    service = Service(client, stack, lambda: registered(stack(), gateway), NotFound)
    try:
        module.exit_json(invocation=printed, **_step(service, module))
    except (ServerError, StackError) as error:
        module.fail_json(msg=str(error), invocation=printed)
    except (DockerException, OSError) as error:
        said = getattr(error, "explanation", None) or error
        module.fail_json(msg=f"the server cannot be looked at: {said}", invocation=printed)


def _step(service: Service, module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    asked = Asked(
        image=params["image"],
        tag=params["tag"],
        port=params["server_port"],
        whole=params["whole"],
        keys=params["keys"],
        limits=params["limits"],
    )
    if params["step"] == "look":
        return service.look(asked, params["keys_file"])
    if params["step"] == "try":
        folder = Path(module.tmpdir)  # Relève's own may not be there before the first run
        return service.tried(asked, params["alone"], params["stack"], folder)
    found = service.plan(asked)
    changed = params["apply"] and bool(found["differs"])
    if changed and not module.check_mode:
        compose = [*params["compose"], "--project-name", params["stack"]]
        compose += [f"--env-file={one}" for one in params["env_files"]]
        service.replace(asked, compose, params["seconds"])
    return found | {"changed": changed}


if __name__ == "__main__":
    main()
