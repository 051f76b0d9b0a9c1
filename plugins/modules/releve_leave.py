#!/usr/bin/python
"""Ansible module: release the lock at the end of a run, and read jobs and record."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_leave
short_description: Release an environment's lock, and return jobs and record
description:
  - One module and not three, because it is a good part of a rollback's time.
options:
  lock: {description: The lock file on the target., type: path, required: true}
  run: {description: Id of the run. Another run's lock is left alone., type: str, required: true}
  socket: {description: The gateway's admin socket., type: path, required: true}
  record: {description: The sentinels' record., type: path, required: true}
attributes:
  check_mode: {support: full, description: Reads, and leaves the lock alone.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Let the next run in
  releve_leave:
    lock: /run/releve/eloquence.lock
    run: "{{ releve_run_id }}"
    socket: /var/lib/releve/eloquence/run/admin.sock
    record: /var/lib/releve/eloquence/record/sentinels.jsonl
"""

RETURN = r"""
monotonic: {description: The target's monotonic clock in seconds., returned: always, type: float}
jobs: {description: What GET /jobs answers, returned: when a gateway answers, type: list}
record: {description: Text of the record., returned: when there is one, type: str}
"""

from pathlib import Path

from ansible.module_utils import run
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lock": {"type": "path", "required": True},
            "run": {"type": "str", "required": True},
            "socket": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    known = run.end(
        Path(params["lock"]),
        params["run"],
        Gateway(params["socket"]),
        Path(params["record"]),
        module.check_mode,
    )
    module.exit_json(
        changed=False, ansible_facts={"releve_end_monotonic": known["monotonic"]}, **known
    )


if __name__ == "__main__":
    main()
