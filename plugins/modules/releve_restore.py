#!/usr/bin/python
"""Ansible module: a stack put back as a backup has it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_restore
short_description: Restore a stack from a backup, whole or in part
description:
  - Returns the plan, a sentence per step; in check mode nothing else happens.
  - Refuses to touch a running stack unless I(confirm) is its name.
  - What is there is replaced only when what replaces it is complete. What cannot come back whole
    is left as it is and named in the failure; the rest comes back nevertheless.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  run: {description: Id of the run., type: str, required: true}
  home: {description: Folder for lock and cache., type: path, required: true}
  repository: {description: A path or any backend restic knows., type: str, required: true}
  password_file: {description: The repository's password., type: path, required: true}
  environment: {description: For restic; never a secret., type: dict, default: {}}
  snapshot: {description: Id of a backup or C(latest)., type: str, required: true}
  parts:
    description: What to restore.
    type: list
    elements: str
    choices: [images, volumes, project, config]
    required: true
  confirm: {description: The stack's name if it may be stopped., type: str, default: ""}
  server_service: {description: The LiveKit service., type: str, default: livekit}
  agent_service: {description: The agent service., type: str, default: agent}
attributes:
  check_mode: {support: full, description: Tells the plan.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Bring the volumes back
  releve_restore:
    stack: eloquence
    run: "{{ releve_run_id }}"
    home: /var/lib/releve-backup/eloquence
    repository: /var/lib/releve-backup/eloquence/restic
    password_file: /var/lib/releve-backup/eloquence/password
    snapshot: latest
    parts: [volumes]
    confirm: eloquence
"""

RETURN = r"""
plan: {description: The steps., returned: always, type: list}
snapshot: {description: The backup's short id., returned: always, type: str}
started: {description: Whether the agent runs and is registered., returned: success, type: bool}
"""

import time

from ansible.module_utils.backup.archive import open_archive
from ansible.module_utils.backup.contents import BackupError, containers_of, labels_of
from ansible.module_utils.backup.disk_space import need_room
from ansible.module_utils.backup.repository_lock import alone
from ansible.module_utils.backup.settings import REPOSITORY, repository
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.restic.repository import ResticError
from ansible.module_utils.restore.rehearsal import await_registration
from ansible.module_utils.restore.restore import PARTS, Restore
from ansible.module_utils.stack import COLOUR, SERVICE

try:
    from docker.errors import DockerException
except ImportError:  # docker_client says what to do
    DockerException = OSError


def main() -> None:
    """Run the module."""
    parts = {"type": "list", "elements": "str", "choices": list(PARTS), "required": True}
    module = AnsibleModule(
        argument_spec=REPOSITORY
        | {
            "snapshot": {"type": "str", "required": True},
            "parts": parts,
            "confirm": {"type": "str", "default": ""},
            "server_service": {"type": "str", "default": "livekit"},
            "agent_service": {"type": "str", "default": "agent"},
        },
        supports_check_mode=True,
    )
    params = module.params
    client = docker_client(module)
    try:
        restic = repository(module)
        archive = open_archive(restic, params["snapshot"])
        restore = Restore(client, archive, params["stack"], params["parts"])
        plan = [step.what for step in restore.steps()]
        result = {"plan": plan, "snapshot": archive.id}
        if not module.check_mode:
            restore.refuse_running(params["confirm"])
            need_room(restore.room())
            with alone(restic.home, params["run"]):
                began = int(time.time())
                lost = restore.go(restic.progress)
                if lost:
                    raise BackupError(f"{'; '.join(lost)}. The rest has been restored")
                restic.progress("waiting for the agent to register")
                result["started"] = registered(client, params, began)
    except (BackupError, ResticError, DockerException, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(plan), **result)


def registered(client, params, since):
    """Whether the agent runs; it is awaited where this restore has started it."""
    if set(params["parts"]) == {"images"}:
        return False
    for item in containers_of(client, params["stack"]):
        agent = labels_of(item.attrs).get(SERVICE) == params["agent_service"]
        if agent and COLOUR not in item.labels and item.status == "running":
            await_registration(item, since)
            return True
    return False


if __name__ == "__main__":
    main()
