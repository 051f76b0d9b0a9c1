"""An agent's memory, by the kernel's account of its container.

The account is a folder of the host's cgroup file system, of either version. A probe is given that
one folder to read, and needs no way to the container engine.
"""

from __future__ import annotations

from pathlib import Path

# (what is charged, which line of memory.stat is cache that the kernel takes back when it needs to)
_VERSIONS = (
    ("memory.current", "inactive_file"),
    ("memory.usage_in_bytes", "total_inactive_file"),
)


def used(cgroup: Path) -> int:
    """Bytes in use, as `docker stats` counts them: without inactive page cache.

    Raises OSError when the folder cannot be read (any more), ValueError when it is no such folder.
    """
    for charged, cache in _VERSIONS:
        if (cgroup / charged).exists():
            stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
            return int((cgroup / charged).read_text()) - int(stat.get(cache, 0))
    cgroup.stat()
    raise ValueError("no memory account of a container")
