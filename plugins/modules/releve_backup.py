#!/usr/bin/python
"""Ansible module: one backup of a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_backup
short_description: Back up a stack into a restic repository
description:
  - Saves project folder, volumes, bind mounts, images by id, definitions of containers and
    networks, and the document of versions. Nothing is written when there may not be room for it.
  - An image that the repository holds already is not read again.
  - Interrupted, it leaves the repository valid; what was saved is found again by its content.
options:
  stack: {description: Name of the compose project., type: str, required: true}
  run: {description: Id of the run; a tag of every snapshot., type: str, required: true}
  home:
    description: Folder for the lock and for the cache of a remote repository.
    type: path
    required: true
  repository: {description: A path or any backend restic knows., type: str, required: true}
  password_file: {description: Made once with mode 0600., type: path, required: true}
  environment:
    description: For restic; names of files with credentials and never a secret itself.
    type: dict
    default: {}
  server_service: {description: The LiveKit service; never paused., type: str, default: livekit}
  agent_service: {description: The agent service; never paused., type: str, default: agent}
  state: {description: Further paths to save., type: list, elements: path, default: []}
  keep: {description: "How many backups: last, daily, weekly.", type: dict, default: {}}
  scratch:
    description: Folder in memory where the definitions lie while they are saved.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Tells what would be saved and whether there is room.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Back up
  releve_backup:
    stack: eloquence
    run: "{{ releve_run_id }}"
    home: /var/lib/releve-backup/eloquence
    repository: /var/lib/releve-backup/eloquence/restic
    password_file: /var/lib/releve-backup/eloquence/password
    scratch: /run/releve-backup/eloquence
"""

RETURN = r"""
plan:
  description: Bytes needed and free, the images to save and those held already.
  returned: in check mode
  type: dict
backup:
  description: snapshot, bytes, added_bytes (before compression), seconds, pauses and more.
  returned: not in check mode
  type: dict
versions:
  description: The document of versions.
  returned: not in check mode
  type: dict
page:
  description: The same as Markdown.
  returned: not in check mode
  type: str
"""

import json
from pathlib import Path

from ansible.module_utils.backup.contents import BackupError, read_contents
from ansible.module_utils.backup.retention import Keep
from ansible.module_utils.backup.settings import REPOSITORY, repository
from ansible.module_utils.backup.snapshot import DOCUMENT, Backup, refuse_without_room
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.restic.repository import ResticError

try:
    from docker.errors import DockerException
except ImportError:  # docker_client says what to do
    DockerException = OSError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=REPOSITORY
        | {
            "server_service": {"type": "str", "default": "livekit"},
            "agent_service": {"type": "str", "default": "agent"},
            "state": {"type": "list", "elements": "path", "default": []},
            "keep": {"type": "dict", "default": {}},
            "scratch": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    client = docker_client(module)
    talking = (params["server_service"], params["agent_service"])
    try:
        restic = repository(module)
        keep = Keep(**{name: int(value) for name, value in params["keep"].items()})
        contents = read_contents(client, params["stack"], talking, params["state"])
        scratch = Path(params["scratch"])
        backup = Backup(client, params["stack"], params["run"], contents, restic, scratch, keep)
        if module.check_mode:
            plan = backup.plan()
            refuse_without_room(plan, restic)
            module.exit_json(changed=True, plan=_shown(plan))
        done = backup.go()
        folder = scratch / DOCUMENT
        versions = json.loads(restic.read(done["snapshot"], f"{folder}/versions.json"))
        page = restic.read(done["snapshot"], f"{folder}/versions.md").decode()
    except (BackupError, ResticError) as error:
        module.fail_json(msg=str(error))
    except (DockerException, OSError) as error:
        module.fail_json(msg=f"{error}. What was saved before stays valid; mend it and run again")
    module.exit_json(changed=True, backup=done, versions=versions, page=page)


def _shown(plan):
    return {
        "needed": plan.needed,
        "free": plan.free,
        "images": [image.names[0] if image.names else image.id for image in plan.missing],
        "held": [image.names[0] if image.names else image.id for image in plan.held],
    }


if __name__ == "__main__":
    main()
