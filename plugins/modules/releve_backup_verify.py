#!/usr/bin/python
"""Ansible module: a backup restored beside the original, compared, and started."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_backup_verify
short_description: Prove a backup by restoring it
description:
  - With C(state=present) reads every byte of the repository, restores into I(scratch), compares
    with what has stood still since, computes the digests of images anew, and, when all is well,
    starts the restored server and agent on an isolated network for a probe to call.
  - With C(state=absent) removes all of that again.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  run: {description: Id of the run., type: str, required: true}
  home: {description: Folder for lock and cache and marks., type: path, required: true}
  repository: {description: A path or any backend restic knows., type: str, required: true}
  password_file: {description: The repository's password., type: path, required: true}
  environment: {description: For restic; never a secret., type: dict, default: {}}
  snapshot: {description: Id of a backup or C(latest)., type: str, default: latest}
  scratch: {description: Folder to restore into. Emptied., type: path, required: true}
  server_service: {description: The LiveKit service., type: str, default: livekit}
  agent_service: {description: The agent service., type: str, default: agent}
  owner: {description: User id of the probe., type: int, required: true}
  state: {description: Make or remove., type: str, choices: [present, absent], default: present}
  proven: {description: Id of a backup that has passed all of it., type: str}
attributes:
  check_mode: {support: full, description: Does nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Prove the last backup
  releve_backup_verify:
    stack: eloquence
    run: "{{ releve_run_id }}"
    home: /var/lib/releve-backup/eloquence
    repository: /var/lib/releve-backup/eloquence/restic
    password_file: /var/lib/releve-backup/eloquence/password
    scratch: /var/lib/releve-backup/eloquence/scratch
    owner: 10001
"""

RETURN = r"""
verified:
  description: snapshot, seconds, compared, moved, images, wrong, wrong_count, bytes.
  returned: with state=present
  type: dict
not_started: {description: Why it was not., returned: when it must not be, type: str}
network: {description: Where it was started., returned: when nothing is wrong, type: str}
keys_file: {description: Keys file for the probe., returned: when nothing is wrong, type: str}
record: {description: Folder for the probe., returned: when nothing is wrong, type: str}
"""

import os
import shutil
from pathlib import Path

from ansible.module_utils.backup.archive import Archive
from ansible.module_utils.backup.contents import BackupError
from ansible.module_utils.backup.settings import REPOSITORY, repository
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.restic.repository import ResticError
from ansible.module_utils.restore.launch import Launcher
from ansible.module_utils.restore.rehearsal import start, write_keys
from ansible.module_utils.restore.scratch_copy import refuse_foreign_urls
from ansible.module_utils.restore.verify import verify, write_mark

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
            "scratch": {"type": "path", "required": True},
            "server_service": {"type": "str", "default": "livekit"},
            "agent_service": {"type": "str", "default": "agent"},
            "owner": {"type": "int", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "proven": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False)
    client = docker_client(module)
    scratch, name = Path(params["scratch"]), f"{params['stack']}-verify"
    try:
        if params["state"] == "absent":
            Launcher(client).remove(name)
            if scratch.exists():  # a copy of everything: whoever cannot remove it must say so
                shutil.rmtree(scratch)
            if params["proven"]:
                write_mark(Path(params["home"]), params["proven"], params["run"])
            module.exit_json(changed=False)
        restic = repository(module)
        archive, found = verify(restic, params["snapshot"], scratch / "files", params["run"])
        found["bytes"] = archive.size(*archive.trees) + sum(i.bytes for i in archive.images)
        if found["wrong"]:
            module.exit_json(changed=False, verified=found)
        if why := _not_to_be_started(archive, params["server_service"]):
            module.exit_json(changed=False, verified=found, not_started=why)
        keys, record = scratch / "keys.yaml", scratch / "record"
        write_keys(archive, scratch / "files", keys, params["owner"])
        record.mkdir(mode=0o700)
        os.chown(record, params["owner"], params["owner"])
        services = (params["server_service"], params["agent_service"])
        network = start(client, archive, scratch / "files", name, services)["network"]
    except (BackupError, ResticError, DockerException, OSError) as error:
        module.fail_json(msg=str(error))
    # What is started here goes away again: it is not a change of the system.
    module.exit_json(
        changed=False, verified=found, network=network, keys_file=str(keys), record=str(record)
    )


def _not_to_be_started(archive: Archive, server_service: str) -> str | None:
    """Why the restored agent would go to the server that people talk over, or to none."""
    if not server_service:
        return "the server is none of this stack's"
    try:
        refuse_foreign_urls(archive.containers)
    except BackupError as error:
        return str(error).partition(", which")[0] + ", no container of the stack"
    return None


if __name__ == "__main__":
    main()
