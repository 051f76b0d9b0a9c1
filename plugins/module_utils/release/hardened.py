"""A container that may do little: it writes nowhere but where something is mounted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NO_NEW_PRIVILEGES = "no-new-privileges:true"
TEMPORARY = "/tmp"  # noqa: S108


def hardened(config: Mapping[str, Any], host: Mapping[str, Any], user: str) -> dict[str, Any]:
    """A container's body with no capability, a read-only root and a user of its own."""
    options = [one for one in host.get("SecurityOpt") or () if not one.startswith("no-new")]
    # An empty list would show all of /proc and /sys, as to a privileged container.
    seen = ("MaskedPaths", "ReadonlyPaths")
    kept = {key: value for key, value in host.items() if key not in seen or value}
    return dict(config) | {
        "User": user,
        "HostConfig": kept
        | {
            "ReadonlyRootfs": True,
            "Privileged": False,
            "CapAdd": None,
            "CapDrop": ["ALL"],
            "SecurityOpt": [*options, NO_NEW_PRIVILEGES],
            "Tmpfs": {TEMPORARY: ""} | (host.get("Tmpfs") or {}),
        },
    }


def breaks(
    container: Mapping[str, Any], written: Iterable[str], mounted: Iterable[str], user: str
) -> list[str]:
    """What a container that may do little could not do any more, as the one in service does it.

    `written` are the paths that it has changed in its own file system, `mounted` the places where
    the hardened one has something mounted.
    """
    host = container["HostConfig"]
    places = (*mounted, TEMPORARY)
    lost = sorted(
        path
        for path in written
        if not any(path == place or path.startswith(f"{place}/") for place in places)
        # The engine's own, and folders on the way to what is mounted.
        and not path.startswith(("/etc/host", "/etc/resolv", "/etc/mtab", "/proc", "/sys", "/dev"))
        and not any(place.startswith(f"{path}/") for place in places)
    )
    found = []
    leaves = [path for path in lost if not any(other.startswith(f"{path}/") for other in lost)]
    if leaves:
        shown = ", ".join(leaves[:5]) + (f" and {len(leaves) - 5} more" if len(leaves) > 5 else "")
        found.append(f"it writes to {shown}, where the root would be read-only")
    if host.get("Privileged"):
        found.append("it is privileged")
    if added := host.get("CapAdd"):
        found.append(f"it has the capabilities {', '.join(added)}")
    if not host.get("ReadonlyRootfs") and not host.get("CapDrop"):
        whom = container["Config"].get("User") or "root"
        if whom.partition(":")[0] != user.partition(":")[0]:
            found.append(
                f"it runs as {whom}: files and volumes that only that user may read or write would "
                f"be closed to user {user}"
            )
    return found
