#!/usr/bin/python
"""Ansible module: the keys file that gateway, green and probes read."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_keys
short_description: Write the LiveKit API keys of a running agent into a secret file
description:
  - Takes LIVEKIT_API_KEY and LIVEKIT_API_SECRET of the running blue agent, from its environment or
    from the C(.env) that its program reads.
  - Other pairs of the file stay, as they stand there while keys are rotated, and so does its inode,
    which running containers have mounted. The agent's pair is added in front when it is missing.
  - Where the agent has none, an existing file is left as it is.
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

from pathlib import Path

from ansible.module_utils import keys_file
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
            msg="the agent has LIVEKIT_API_KEY and LIVEKIT_API_SECRET neither in its environment "
            "nor in a .env of its program's; write "
            f"`<api key>: <api secret>` into {dest} (mode 0600) and run again"
        )
    try:
        before = dest.read_text(encoding="utf-8") if dest.exists() else ""
        text = keys_file.with_pair(before, pair)
        changed = text != before or not dest.exists()
        if changed and not module.check_mode:
            keys_file.write(dest, text, params["owner"])
    except (keys_file.KeysFileError, OSError) as error:
        module.fail_json(msg=f"keys file {dest}: {error}")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
