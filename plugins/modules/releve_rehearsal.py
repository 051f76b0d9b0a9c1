#!/usr/bin/python
"""Ansible module: a copy of a stack, to rehearse on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_rehearsal
short_description: Make a copy of a stack from a backup, or remove it
description:
  - The copy is the compose project C(<stack>-rehearsal), with networks, volumes and folders of its
    own and no published port.
  - Makes the branch C(migration-livekit-v1) in the user's project, where that is a git repository.
    The branch is not checked out, and it stays when the copy is removed.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  run: {description: Id of the run., type: str, required: true}
  home: {description: Folder for lock and cache., type: path, required: true}
  repository: {description: A path or any backend restic knows., type: str, required: true}
  password_file: {description: The repository's password., type: path, required: true}
  environment: {description: For restic; never a secret., type: dict, default: {}}
  snapshot: {description: Id of a backup or C(latest)., type: str, default: latest}
  folder: {description: Where its project and binds are restored., type: path, required: true}
  agent_service: {description: The agent service., type: str, default: agent}
  state: {description: Make or remove., type: str, choices: [present, absent], default: present}
attributes:
  check_mode: {support: full, description: Tells whether something would be made or removed.}
author: [Relève]
"""

EXAMPLES = r"""
- name: A copy to rehearse on
  releve_rehearsal:
    stack: eloquence
    run: "{{ releve_run_id }}"
    home: /var/lib/releve-backup/eloquence
    repository: /var/lib/releve-backup/eloquence/restic
    password_file: /var/lib/releve-backup/eloquence/password
    folder: /var/lib/releve-backup/eloquence/rehearsal
"""

RETURN = r"""
name: {description: The copy's name., returned: always, type: str}
branch: {description: Whether the branch was made now., returned: when made, type: bool}
"""

from pathlib import Path

from ansible.module_utils.backup.archive import open_archive
from ansible.module_utils.backup.contents import BackupError
from ansible.module_utils.backup.repository_lock import alone
from ansible.module_utils.backup.settings import REPOSITORY, repository
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.restic.repository import ResticError
from ansible.module_utils.restore.scratch_copy import ScratchCopy, ensure_branch

try:
    from docker.errors import DockerException
except ImportError:  # docker_client says what to do
    DockerException = OSError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=REPOSITORY
        | {
            "snapshot": {"type": "str", "default": "latest"},
            "folder": {"type": "path", "required": True},
            "agent_service": {"type": "str", "default": "agent"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    params = module.params
    copy = ScratchCopy(docker_client(module), params["stack"], Path(params["folder"]))
    wanted = params["state"] == "present"
    try:
        changed = copy.exists() != wanted
        if module.check_mode:
            module.exit_json(changed=changed, name=copy.name)
        if not wanted:
            module.exit_json(changed=copy.remove(), name=copy.name)
        restic = repository(module)
        archive = open_archive(restic, params["snapshot"])
        if changed:
            with alone(restic.home, params["run"]):
                copy.remove()  # what an interrupted run left
                copy.make(archive, params["agent_service"])
        projects = [Path(tree.path) for tree in archive.trees if tree.kind == "project"]
        made = [ensure_branch(project) for project in projects]
    except (BackupError, ResticError, DockerException, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed or any(made), name=copy.name, branch=any(made))


if __name__ == "__main__":
    main()
