#!/usr/bin/python
"""Ansible module: give every new room to blue (the part that runs on the target)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_rollback
short_description: A whole rollback at once, under the environment's lock
description:
  - What releve_lock, releve_go_back and releve_leave do one after the other, in one module,
    because every further task costs as much as all of it.
  - It takes the gateway's next epoch, which supersedes a rollout that is under way, and uncordons
    blue.
  - When no worker of blue is connected it sets the weights, lets green step in, and fails.
  - The action plugin of the same name adds who holds the lock, and writes the run's evidence.
options:
  lock: {description: The lock file on the target., type: path, required: true}
  break_lock: {description: Take it whoever holds it., type: bool, default: false}
  socket: {description: The gateway's admin socket., type: path, required: true}
  record: {description: The sentinels' record., type: path, required: true}
  reports: {description: Folder of all reports on the control node., type: path, required: true}
  run: {description: Id of the run; filled in by the action plugin., type: str}
  content: {description: Who and when; filled in as well., type: dict}
  instead_of: {description: Run that may be replaced; filled in as well., type: str}
attributes:
  check_mode: {support: full, description: Tells whether the weights would change.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Go back
  releve_rollback:
    lock: /run/releve/eloquence.lock
    socket: /var/lib/releve/eloquence/run/admin.sock
    record: /var/lib/releve/eloquence/record/sentinels.jsonl
    reports: var/reports
"""

RETURN = r"""
began: {description: The target's monotonic clock in seconds., returned: always, type: float}
flip: {description: As releve_go_back answers., returned: success, type: dict}
left: {description: As releve_leave answers., returned: always, type: dict}
holder: {description: Content of the lock that is in the way., returned: when held, type: dict}
held_by: {description: The same as a sentence., returned: when held, type: str}
"""

import time
from pathlib import Path

from ansible.module_utils import lock, run
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lock": {"type": "path", "required": True},
            "break_lock": {"type": "bool", "default": False},
            "socket": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
            "reports": {"type": "path", "required": True},
            "run": {"type": "str", "required": True},
            "content": {"type": "dict", "required": True},
            "instead_of": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params, check = module.params, module.check_mode
    path, gateway = Path(params["lock"]), Gateway(params["socket"])
    began = time.monotonic()
    try:
        if not check:
            run.begin(path, params["content"], params["instead_of"], params["break_lock"])
    except lock.LockHeld as error:
        module.fail_json(**run.refusal(error))
    record = Path(params["record"])
    if record.exists() and not check:  # sentinels on the line open new rooms around this
        record.with_name("moments").write_text(params["run"], encoding="ascii")
    flipped: dict[str, object] = {"changed": False}
    try:
        by = f"rollback {params['run']}"
        flipped, failure = run.go_back(gateway, {"blue": 100, "green": 0}, by, check)
    except GatewayError as error:
        failure = str(error)
    known = run.end(path, params["run"], gateway, record, check)
    result = {
        "changed": flipped["changed"],
        "began": began,
        "flip": flipped,
        "left": known,
    }
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
