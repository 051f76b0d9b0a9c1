#!/usr/bin/python
"""Ansible module: give new rooms to the colour of before (the part that runs on the target)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_rollback
short_description: A whole rollback at once, under the environment's lock
description:
  - What releve_lock, releve_go_back and releve_leave do one after the other, in one module,
    because every further task costs as much as all of it.
  - It takes the gateway's next epoch, which supersedes a rollout that is under way, and uncordons
    the colour from which the last rollout went.
  - One that was finalized is made again first, from what was kept of it.
  - When no worker of it is connected it sets the weights, lets the other step in, and fails.
  - The action plugin of the same name adds who holds the lock, and writes the run's evidence.
options:
  lock: {description: The lock file on the target., type: path, required: true}
  break_lock: {description: Take it whoever holds it., type: bool, default: false}
  socket: {description: The gateway's admin socket., type: path, required: true}
  record: {description: The sentinels' record., type: path, required: true}
  reports: {description: Folder of all reports on the control node., type: path, required: true}
  stack: {description: Name of the compose project., type: str, required: true}
  direction:
    description: File that says from which colour to which the last rollout went.
    type: path
    required: true
  kept: {description: Folder of what is kept of removed releases., type: path, required: true}
  register_seconds:
    description: How long one that is made again may take to register at the gateway.
    type: float
    default: 90
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
    stack: eloquence
    direction: /var/lib/releve/eloquence/direction.json
    kept: /var/lib/releve/eloquence/kept
"""

RETURN = r"""
began: {description: The target's monotonic clock in seconds., returned: always, type: float}
flip: {description: As releve_go_back answers., returned: success, type: dict}
made: {description: Container that was made again., returned: where it was, type: str}
image_gone: {description: Its image is not on the host., returned: where it is not, type: bool}
left: {description: As releve_leave answers., returned: always, type: dict}
holder: {description: Content of the lock that is in the way., returned: when held, type: dict}
held_by: {description: The same as a sentence., returned: when held, type: str}
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils import lock, run
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gateway import Gateway, GatewayError, workers


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lock": {"type": "path", "required": True},
            "break_lock": {"type": "bool", "default": False},
            "socket": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
            "reports": {"type": "path", "required": True},
            "stack": {"type": "str", "required": True},
            "direction": {"type": "path", "required": True},
            "kept": {"type": "path", "required": True},
            "register_seconds": {"type": "float", "default": 90.0},
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
    told: dict[str, Any] = {}
    try:
        by = f"rollback {params['run']}"
        from_, to = run.direction(Path(params["direction"]))
        kept = Path(params["kept"], f"{from_}.json")
        if kept.exists() and from_ not in gateway.decisions()["serving"]:
            told = _made_again(module, gateway, from_)
        failure = told.pop("failure", None)
        if failure is None:  # else nobody of that colour would serve: nothing is moved
            flipped, failure = run.go_back(gateway, {from_: 100, to: 0}, by, check)
    except GatewayError as error:
        failure = str(error)
    known = run.end(path, params["run"], gateway, record, check)
    result = {
        "changed": flipped["changed"] or "made" in told,
        "began": began,
        "flip": flipped,
        "left": known,
        **told,
    }
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


def _made_again(module: Any, gateway: Gateway, colour: str) -> dict[str, Any]:
    """Its container from what was kept: `made`, or `failure` where it cannot be."""
    from ansible.module_utils.docker_host import docker_client  # only where it is needed: half a
    from ansible.module_utils.finalize import kept  # second of a rollback
    from ansible.module_utils.release.wanted import ReleaseError
    from docker.errors import DockerException, NotFound

    params = module.params
    name = f"{params['stack']}-agent-{colour}"
    if module.check_mode:
        return {"made": name}
    try:
        found = kept.find(Path(params["kept"]), colour)
        if found is None:
            return {}
        kept.have_again(docker_client(module), found, params["stack"], NotFound)
    except kept.ImageGone as error:
        return {"failure": str(error), "image_gone": True}
    except (kept.KeptError, ReleaseError, DockerException) as error:
        return {"failure": f"{colour} was finalized and cannot be made again: {error}"}
    gateway.wait(
        lambda state: bool(workers(state, colour)),
        params["register_seconds"],
        f"{name} was made again and did not register at the gateway",
    )
    return {"made": name}


if __name__ == "__main__":
    main()
