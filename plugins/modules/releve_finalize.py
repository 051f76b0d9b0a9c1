#!/usr/bin/python
"""Ansible module: remove the release that was in service before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_finalize
short_description: Remove a drained release, keep its image, have Compose start no second agent
description:
  - Refuses a colour that gets new rooms or is not drained, by the server's word asked just before.
  - Its image stays under a name of its own for O(keep_days) at least, its definition in a file of
    mode 0600, for releve_rollback. What was kept for long enough is forgotten.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  agent_service: {description: Its agent service., type: str, required: true}
  colour: {description: "Which one; by default the one without weight.", type: str}
  socket: {description: The gateway's admin socket., type: path, required: true}
  gateway_urls: {description: Where workers register by colour., type: dict, required: true}
  kept: {description: Folder of what is kept., type: path, required: true}
  keep_days: {description: How long at least., type: float, required: true}
  compose: {description: The Compose command., type: list, elements: str, required: true}
  project_dir: {description: The project's folder., type: path, required: true}
  compose_files: {description: The project's files., type: list, elements: str, required: true}
attributes:
  check_mode: {support: full, description: Tells in C(plan) what would be done.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Remove the old release
  releve_finalize:
    stack: eloquence
    agent_service: agent
    socket: /var/lib/releve/eloquence/run/admin.sock
    gateway_urls: {blue: "ws://dispatch-gateway:7890", green: "ws://dispatch-gateway:7891"}
    kept: /var/lib/releve/eloquence/kept
    keep_days: 14
    compose: [docker, compose]
    project_dir: /srv/eloquence
    compose_files: [/srv/eloquence/docker-compose.yml]
"""

RETURN = r"""
colour: {description: The colour., returned: success, type: str}
plan: {description: "What is done, a sentence each.", returned: success, type: list}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.finalize import compose, drain
from ansible.module_utils.finalize.kept import KeptError
from ansible.module_utils.finalize.removal import NotYet, Old, Removal
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "agent_service": {"type": "str", "required": True},
            "colour": {"type": "str"},
            "socket": {"type": "path", "required": True},
            "gateway_urls": {"type": "dict", "required": True},
            "kept": {"type": "path", "required": True},
            "keep_days": {"type": "float", "required": True},
            "compose": {"type": "list", "elements": "str", "required": True},
            "project_dir": {"type": "path", "required": True},
            "compose_files": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    client = docker_client(module)
    from docker.errors import DockerException, NotFound

    asked, gateway = module.params, Gateway(module.params["socket"])
    done: list[str] = []
    try:
        colour = drain.choose(gateway.decisions(), asked["colour"])
        old = Old(
            asked["stack"],
            asked["agent_service"],
            colour,
            asked["gateway_urls"][colour],
            Path(asked["kept"]),
            asked["keep_days"],
            compose.project(asked["project_dir"], asked["compose_files"], asked["compose"]),
        )
        steps = Removal(client, gateway, old, NotFound).steps()
        for step in steps:
            if not module.check_mode:
                step.act()
            done.append(step.what)
    except (NotYet, drain.DrainError, compose.ComposeError, KeptError, GatewayError) as error:
        module.fail_json(msg=str(error), done=done)
    except (DockerException, OSError) as error:
        said = getattr(error, "explanation", None) or error
        module.fail_json(msg=f"{steps[len(done)].what}: {said}", done=done)
    module.exit_json(changed=bool(steps), colour=colour, plan=done)


if __name__ == "__main__":
    main()
