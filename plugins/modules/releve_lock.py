#!/usr/bin/python
"""Ansible module: one run at a time (the part that runs on the target)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_lock
short_description: Take the lock of an environment
description:
  - The action plugin of the same name adds who holds it, and takes over a lock whose owner is
    provably gone.
options:
  path: {description: The lock file on the target., type: path, required: true}
  run: {description: Id of the run., type: str, required: true}
  verb: {description: What the run does., type: str, default: ""}
  break_lock: {description: Take it whoever holds it., type: bool, default: false}
  content: {description: Who and when; filled in by the action plugin., type: dict}
  instead_of: {description: Run that may be replaced; filled in as well., type: str}
attributes:
  check_mode: {support: full, description: Reads the lock and takes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: One run at a time
  releve_lock:
    path: /run/releve/eloquence/lock
    run: "{{ releve_run_id }}"
    verb: migrate
"""

RETURN = r"""
monotonic: {description: The target's monotonic clock in seconds., returned: always, type: float}
holder: {description: Content of the lock that is in the way., returned: when held, type: dict}
held_by: {description: The same as a sentence., returned: when held, type: str}
"""

import time
from pathlib import Path

from ansible.module_utils import lock, run
from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "run": {"type": "str", "required": True},
            "verb": {"type": "str", "default": ""},
            "break_lock": {"type": "bool", "default": False},
            "content": {"type": "dict"},
            "instead_of": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    path = Path(params["path"])
    clock = time.monotonic()
    if module.check_mode:
        module.exit_json(changed=False, monotonic=clock, holder=lock.holder_of(path))
    content = params["content"] or {"run": params["run"]}
    try:
        run.begin(path, content, params["instead_of"], params["break_lock"])
    except lock.LockHeld as error:
        module.fail_json(**run.refusal(error))
    # The lock is a courtesy between runs, not a change of the system.
    module.exit_json(changed=False, monotonic=clock)


if __name__ == "__main__":
    main()
