#!/usr/bin/python
"""Ansible module: what a host has left for a run beside the calls on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_host_room
short_description: Measure the processors and the memory that nobody uses
description:
  - Looks at the whole host for a second, by the kernel's own account. Linux only.
  - Looks again while less is free than wanted, since what has just started is over soon.
options:
  cores: {description: Processors that are to be free., type: float, default: 0}
  timeout: {description: Seconds after which what is free is the answer., type: float, default: 15}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Measure what is free, and wait until it is half a core
  releve_host_room:
    cores: 0.5
"""

RETURN = r"""
cores: {description: Processors of the host., returned: always, type: int}
cores_free: {description: Of them nobody used so many., returned: always, type: float}
memory_free_mb:
  description: Memory for new programs without swapping (MemAvailable), in MB of 10^6 bytes.
  returned: always
  type: int
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.proc import idle_seconds, memory_free_mb

LOOK_SECONDS = 1.0


def _cores_free() -> float:
    """Of a second, on average. Raises OSError or ValueError where the kernel does not tell."""
    idle, since = idle_seconds(), time.monotonic()
    time.sleep(LOOK_SECONDS)
    return (idle_seconds() - idle) / (time.monotonic() - since)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "cores": {"type": "float", "default": 0.0},
            "timeout": {"type": "float", "default": 15.0},
        },
        supports_check_mode=True,
    )
    deadline = time.monotonic() + module.params["timeout"]
    try:
        free = _cores_free()
        while free < module.params["cores"] and time.monotonic() < deadline:
            free = _cores_free()
        memory = memory_free_mb()
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"this host does not tell what is free: {error}")
    cores = os.cpu_count() or 1
    module.exit_json(
        changed=False, cores=cores, cores_free=round(min(free, cores), 2), memory_free_mb=memory
    )


if __name__ == "__main__":
    main()
