"""What the kernel gives the server, and what it should."""

from __future__ import annotations

import re
from pathlib import Path

BUFFER = 5_000_000
BUFFER_WHY = (
    "LiveKit asks for 16 MB for each UDP socket and warns below 5 MB: the kernel drops what comes "
    "in faster than it is read"
)
WANTED = {
    "net.core.rmem_max": (BUFFER, BUFFER_WHY),
    "net.core.wmem_max": (BUFFER, "the same on the way out"),
    "net.core.netdev_max_backlog": (1000, "packets that wait for a processor; more are dropped"),
}
FILES = 65_536


def told(pid: int, proc: Path = Path("/proc")) -> list[str]:
    """A sentence for each value that is less than wanted: present, wanted, why, what to do."""
    found = []
    for name, (wanted, why) in WANTED.items():
        value = _number(proc / "sys" / name.replace(".", "/"))
        if value is not None and value < wanted:
            found.append(
                f"{name} is {value}, wanted is {wanted}: {why}. "
                f"`sysctl -w {name}={wanted}`, and the same line in /etc/sysctl.d/ to keep it"
            )
    files = _open_files(proc / str(pid) / "limits")
    if files is not None and files < FILES:
        found.append(
            f"the server may open {files} files, wanted are {FILES}: each call holds several "
            f"sockets. Set livekit_server_limits: {{nofile: {FILES}}}"
        )
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not every kernel has every name
        return None


def _open_files(path: Path) -> int | None:
    try:
        match = re.search(r"^Max open files +(\d+)", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) if match else None
