"""A run's own work on the host gives way to the calls there.

Ansible's modules each keep a processor busy for some tenths of a second, and where containers are
one control group beside every process of the host, as by Docker on cgroup v1, one module weighs as
much as all calls together. In a group of the least weight it gets what nobody else wants.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "releve-background"
_V1_SHARES, _V2_WEIGHT = "32", "3"  # of 1024 and 100, the defaults of either


def give_way(mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Move this process, and whatever it starts, into the group; why not, where that is not to be.

    Changes nothing of what people run: neither their shell nor their containers move.
    """
    try:
        group, file, weight = _group(mounts.read_text(encoding="utf-8"))
        group.mkdir(exist_ok=True)
        (group / file).write_text(weight, encoding="ascii")
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    except OSError as error:
        return f"{error.filename or 'control group'}: {error.strerror or error}"
    return None


def _group(mounts: str) -> tuple[Path, str, str]:
    """The group's folder, and its file of the weight. Raises OSError where no CPU is shared out."""
    for line in mounts.splitlines():
        _device, folder, kind, options, *_rest = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(folder) / NAME, "cpu.shares", _V1_SHARES
        if kind == "cgroup2":
            shared = (Path(folder) / "cgroup.subtree_control").read_text(encoding="ascii").split()
            if "cpu" in shared:
                return Path(folder) / NAME, "cpu.weight", _V2_WEIGHT
    raise OSError(0, "no control group shares out processors here")
