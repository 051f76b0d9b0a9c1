"""The document of versions: what ran, as data and as a page to read. It holds no secret."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from typing import Any

from ..discovery.processes import Processes
from ..discovery.servers import is_server
from ..docker_host import said_in
from ..interpreter import interpreters
from ..stack import COLOUR, SERVICE
from .contents import Contents, labels_of

# What `pip list` would say, without needing pip in the image.
PACKAGES = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
)


def document(client: Any, contents: Contents, run: str, taken: str, tool: str) -> dict[str, Any]:
    """The document as data. `taken` is a UTC time, `tool` restic's version."""
    engine, processes = client.version(), Processes()
    return {
        "schema": 1,
        "run": run,
        "taken": taken,
        "host": {
            "name": platform.node(),
            "system": _system(),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "engine": {"version": engine["Version"], "api": engine["ApiVersion"]},
        "restic": tool,
        "images": [
            {
                "id": image.id,
                "names": list(image.names),
                "digests": list(image.digests),
                "bytes": image.bytes,
            }
            for image in contents.images
        ],
        "containers": [_container(client, processes, item) for item in contents.containers],
        "networks": [
            {"name": net["Name"], "driver": net["Driver"], "subnets": _subnets(net)}
            for net in contents.networks
        ],
        "trees": [
            {"kind": tree.kind, "name": tree.name, "path": tree.path} for tree in contents.trees
        ],
        "left_out": [{"path": path, "reason": why} for path, why in contents.left_out],
    }


def _container(client: Any, processes: Processes, attrs: dict[str, Any]) -> dict[str, Any]:
    labels = labels_of(attrs)
    running = attrs["State"]["Running"]
    handle = client.containers.get(attrs["Id"]) if running else None
    packages = server = None
    if handle is not None:
        inside = (one for one in processes if one.container == attrs["Id"] and is_server(one))
        program = next(inside, None)
        if program is not None:  # behind whatever entrypoint
            server = said_in(handle, [program.exe, "--version"])
        else:
            packages = _packages(handle, attrs["State"].get("Pid", 0))
    return {
        "name": attrs["Name"].lstrip("/"),
        "service": labels.get(SERVICE) or labels.get(COLOUR),
        "image": attrs["Config"]["Image"],
        "image_id": attrs["Image"],
        "running": running,
        # Names only: values may be keys.
        "environment": sorted(item.partition("=")[0] for item in attrs["Config"].get("Env") or ()),
        "server": server,
        "python": dict(sorted(packages.items(), key=lambda item: str(item[0]).lower()))
        if packages
        else None,
    }


def _packages(handle: Any, pid: int) -> dict[str, str] | None:
    """As the Python that runs there has them; None where none runs."""
    for one in interpreters(pid):
        how: dict[str, Any] = {"environment": one.env, "workdir": one.cwd, "user": one.user}
        if said := said_in(handle, [one.program, "-c", PACKAGES], **how):
            return dict(json.loads(said))
    return None


def _subnets(network: dict[str, Any]) -> list[str]:
    return [item["Subnet"] for item in (network.get("IPAM") or {}).get("Config") or ()]


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def page(found: Mapping[str, Any]) -> str:
    """The document as Markdown."""
    host, engine = found["host"], found["engine"]
    lines = [
        f"# Backup {found['run']}",
        "",
        f"Taken {found['taken']} on {host['name']}: {host['system']}, kernel {host['kernel']}, "
        f"{host['machine']}, {host['processors']} processors, "
        f"{host['memory_bytes'] / 1e9:.1f} GB of memory.",
        f"Docker Engine {engine['version']} (API {engine['api']}), {found['restic']}.",
        "",
        "## Images",
        "",
        *(
            f"- `{image['id']}` {', '.join(image['names']) or '(no name)'}, "
            f"{image['bytes'] / 1e6:.0f} MB"
            + "".join(f"\n  - `{digest}`" for digest in image["digests"])
            for image in found["images"]
        ),
        "",
        "## Containers",
    ]
    for item in found["containers"]:
        state = "running" if item["running"] else "stopped"
        lines += ["", f"### {item['name']}", "", f"{item['image']}, {state}."]
        if item["server"]:
            lines.append(f"It says: {item['server']}.")
        lines.append(f"Environment (names): {', '.join(item['environment']) or 'none'}.")
        if item["python"]:
            lines += ["", *(f"- {name} {version}" for name, version in item["python"].items())]
    lines += ["", "## Networks", ""]
    lines += [f"- {n['name']} ({n['driver']}) {' '.join(n['subnets'])}" for n in found["networks"]]
    lines += ["", "## Saved", ""]
    lines += [f"- {tree['kind']}: `{tree['path']}`" for tree in found["trees"]]
    lines += [f"- left out: `{item['path']}`, {item['reason']}" for item in found["left_out"]]
    return "\n".join(lines) + "\n"
