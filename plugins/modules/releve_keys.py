#!/usr/bin/python
"""Ansible module: the keys file that gateway, green and probes read."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_keys
short_description: Write the LiveKit API keys of a running agent into a secret file
description:
  - Takes LIVEKIT_API_KEY and LIVEKIT_API_SECRET from the environment of the running blue agent.
  - Where the agent has none there, an existing file is left as it is.
  - The keys never leave the host and are never returned.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  server_service: {description: Its LiveKit service., type: str, default: livekit}
  agent_service: {description: Its agent service., type: str, default: agent}
  dest: {description: The file to write, mode 0600., type: path, required: true}
  owner: {description: User id that may read it., type: int, required: true}
attributes:
  check_mode: {support: full, description: Tells whether the file would change.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Keep the keys in a secret file
  releve_keys:
    stack: eloquence
    dest: /var/lib/releve/eloquence/keys.yaml
    owner: 10001
"""

RETURN = r"""# nothing: the result holds no secret"""

import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.stack import Stack, StackError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "server_service": {"type": "str", "default": "livekit"},
            "agent_service": {"type": "str", "default": "agent"},
            "dest": {"type": "path", "required": True, "no_log": False},
            "owner": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    dest = Path(params["dest"])
    stack = Stack(
        docker_client(module), params["stack"], params["server_service"], params["agent_service"]
    )
    try:
        pair = stack.keys()
    except StackError as error:
        module.fail_json(msg=str(error))
    if pair is None:
        if dest.exists():
            module.exit_json(changed=False)
        module.fail_json(
            msg="the agent's environment holds no LIVEKIT_API_KEY and LIVEKIT_API_SECRET; write "
            f"`<api key>: <api secret>` into {dest} (mode 0600) and run again"
        )
    # JSON strings are YAML strings, whatever they hold.
    text = f"{json.dumps(pair[0])}: {json.dumps(pair[1])}\n"
    changed = not dest.exists() or dest.read_text(encoding="utf-8") != text
    if changed and not module.check_mode:
        fresh = dest.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(fresh, params["owner"], params["owner"])
        fresh.replace(dest)
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
