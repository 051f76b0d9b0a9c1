#!/usr/bin/python
"""Ansible module: what a host has left for a run beside the calls on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_host_room
short_description: Measure the processors and the memory that nobody uses
description:
  - Looks at the whole host for a while, by the kernel's own account. Linux only.
options:
  seconds: {description: How long to look., type: float, default: 1.0}
attributes:
  check_mode: {support: full, description: Changes nothing.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Measure what is free
  releve_host_room:
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


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"seconds": {"type": "float", "default": 1.0}}, supports_check_mode=True
    )
    try:
        idle, since = idle_seconds(), time.monotonic()
        time.sleep(module.params["seconds"])
        free = (idle_seconds() - idle) / (time.monotonic() - since)
        memory = memory_free_mb()
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"this host does not tell what is free: {error}")
    cores = os.cpu_count() or 1
    module.exit_json(
        changed=False, cores=cores, cores_free=round(min(free, cores), 2), memory_free_mb=memory
    )


if __name__ == "__main__":
    main()
