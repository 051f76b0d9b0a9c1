"""The memory cgroup of a container, version 1 or 2."""

from __future__ import annotations

from pathlib import Path


def memory_folder(pid: int, proc: Path = Path("/proc")) -> str | None:
    """The folder for the container of this process; None where there is none that we can see."""
    found = _path_of(pid, proc)
    if found is None:
        return None
    kind, path = found
    for line in (proc / "self/mountinfo").read_text().splitlines():
        about, _, what = line.partition(" - ")
        _, _, _, root, mounted, *_ = about.split()
        fstype, _, options = what.split()[:3]
        if fstype != kind or (kind == "cgroup" and "memory" not in options.split(",")):
            continue
        inside = path if root == "/" else path.removeprefix(root)
        folder = Path(mounted, inside.lstrip("/"))
        if folder.is_dir():
            return str(folder)
    return None


def _path_of(pid: int, proc: Path) -> tuple[str, str] | None:
    """The file system's kind, and the path in it, of what accounts for this process's memory."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:  # it has ended
        return None
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    for controllers, path in paths.items():
        if "memory" in controllers.split(","):
            return "cgroup", path
    return ("cgroup2", paths[""]) if "" in paths else None
