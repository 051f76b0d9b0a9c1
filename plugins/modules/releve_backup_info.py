#!/usr/bin/python
"""Ansible module: which backups there are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_backup_info
short_description: List the backups of a stack
options:
  stack: {description: Name of the compose project., type: str, required: true}
  run: {description: Id of the run., type: str, required: true}
  home: {description: Folder for lock and cache and marks., type: path, required: true}
  repository: {description: A path or any backend restic knows., type: str, required: true}
  password_file: {description: The repository's password., type: path, required: true}
  environment: {description: For restic; never a secret., type: dict, default: {}}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: List the backups
  releve_backup_info:
    stack: eloquence
    run: "{{ releve_run_id }}"
    home: /var/lib/releve-backup/eloquence
    repository: /var/lib/releve-backup/eloquence/restic
    password_file: /var/lib/releve-backup/eloquence/password
"""

RETURN = r"""
backups:
  description: Oldest first, each with snapshot, run, age_hours, verified.
  returned: success
  type: list
"""

import time

from ansible.module_utils.backup.settings import REPOSITORY, repository
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.restic.repository import ResticError
from ansible.module_utils.restore.verify import backups


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=dict(REPOSITORY), supports_check_mode=True)
    try:
        found = backups(repository(module), time.time())
    except ResticError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, backups=found)


if __name__ == "__main__":
    main()
