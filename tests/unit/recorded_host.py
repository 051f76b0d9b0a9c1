"""A host as proc(5) and Docker's engine tell it, written down: no process, no container."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from module_utils.discovery import agents, servers
from module_utils.discovery.machine import Machine

FFI = "/app/.venv/lib/python3.12/site-packages/livekit/rtc/resources/liblivekit_ffi.so"
PACKAGES = {"python": "3.12.1", "livekit": "1.0.10", "livekit-agents": "1.1.3"}
SECRET = "a-secret-that-nobody-may-read"
ENVIRONMENT = (
    "LIVEKIT_URL=ws://livekit:7880",
    "LIVEKIT_API_KEY=APIk",
    f"LIVEKIT_API_SECRET={SECRET}",
)
NOT_FOUND = (404, "404: Not Found")


def hexed(end: str) -> str:
    """An address and port as /proc/net/tcp has them."""
    address, _, port = end.rpartition(":")
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address.strip("[]"))
    else:
        packed = socket.inet_aton(address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{int(port):04X}"


class Host:
    """Add processes and containers, then look at it."""

    def __init__(self, root: Path, monkeypatch: Any) -> None:
        self.proc = root / "proc"
        self.proc.mkdir()
        (root / "image").mkdir()
        self.containers: list[SimpleNamespace] = []
        self.tables: dict[str, list[str]] = {}
        self.answers: dict[tuple[int, int, str], tuple[int, str]] = {}
        self.requests: list[str] = []
        self.ran: list[tuple[str, list[str]]] = []
        self._inode = 1000
        for module in (agents, servers):
            monkeypatch.setattr(module, "http_get", self._http_get)

    def process(
        self,
        pid: int,
        argv: Sequence[str],
        *,
        parent: int = 0,
        exe: str | None = None,
        net: str = "host",
        container: str | None = None,
        cgroup: str = "0::/user.slice/user-0.slice/session-3.scope\n",
        env: Sequence[str] = (),
        maps: Sequence[str] = (),
        listens: Sequence[str] = (),
        inherits: int | None = None,
        user: str = "0",
    ) -> int:
        folder = self.proc / str(pid)
        for name in ("ns", "fd", "net"):
            (folder / name).mkdir(parents=True)
        (folder / "cmdline").write_bytes("".join(f"{word}\0" for word in argv).encode())
        (folder / "environ").write_bytes("".join(f"{word}\0" for word in env).encode())
        (folder / "stat").write_text(f"{pid} (a) b) S {parent} 1 1 0")
        (folder / f"task/{pid}").mkdir(parents=True)
        (folder / f"task/{pid}/children").write_text("")
        if parent:
            with (self.proc / f"{parent}/task/{parent}/children").open("a") as children:
                children.write(f"{pid} ")
        ids = f"Uid:\t{user}\t{user}\t0\t0\nGid:\t{user}\t{user}\t0\t0\n"
        (folder / "status").write_text(f"Name:\tx\n{ids}")
        (folder / "exe").symlink_to(exe or argv[0])
        (folder / "cwd").symlink_to("/app")
        (folder / "ns/net").symlink_to(f"net:[{net}]")
        shares_root = container is None and "kubepods" not in cgroup
        (folder / "root").symlink_to("/" if shares_root else self.proc.parent / "image")
        scope = f"0::/system.slice/docker-{container}.scope\n" if container else cgroup
        (folder / "cgroup").write_text(scope)
        lines = [f"7f0-7f1 r-xp 00000000 08:01 1 {path}\n" for path in maps]
        (folder / "maps").write_text("".join(lines))
        if inherits is not None:
            for link in (self.proc / str(inherits) / "fd").iterdir():
                (folder / "fd" / link.name).symlink_to(link.readlink())
        for end in listens:
            self._row(pid, net, end, "0.0.0.0:0", "0A")
        self.tables.setdefault(net, [])
        return pid

    def connection(self, pid: int, here: str, there: str, to: int, seen: str | None = None) -> None:
        """One that `pid` opened, and that `to` holds the other end of; the kernel may show the
        first another address than the second has."""
        self._row(pid, self._net(pid), here, seen or there, "01")
        self._row(to, self._net(to), there, here, "01")

    def leaves(self, pid: int, here: str, there: str) -> None:
        """A connection to another host."""
        self._row(pid, self._net(pid), here, there, "01")

    def container(
        self,
        ident: str,
        name: str,
        *,
        says: Callable[[list[str]], str | None] = lambda _: None,
        **more: Any,
    ) -> str:
        """A full id from one letter; `says` answers what is run in it."""
        full = ident * 64
        running = more.get("running", True)
        networks = more.get("networks", {"shop_default": f"172.18.0.{ord(ident)}"})

        def run(argv: list[str], stderr: bool = True, **_: Any) -> tuple[int, bytes]:
            self.ran.append((name, argv))
            said = says(argv)
            return (126, b"") if said is None else (0, said.encode())

        self.containers.append(
            SimpleNamespace(
                id=full,
                name=name,
                labels=more.get("labels", compose(name.split("_")[1] if "_" in name else name)),
                exec_run=run,
                attrs={
                    "Path": more.get("path", "/sbin/tini"),
                    "Image": f"sha256:{name}",
                    "State": {"Running": running, "Pid": more.get("pid", 0) if running else 0},
                    "Config": {"Image": more.get("image", f"{name}:latest")},
                    "HostConfig": {
                        "NetworkMode": more.get("mode", "shop_default"),
                        "ExtraHosts": more.get("hosts"),
                    },
                    "NetworkSettings": {
                        "Networks": {
                            net: {"IPAddress": address} for net, address in networks.items()
                        },
                        "Ports": more.get("ports", {}),
                    },
                },
            )
        )
        return full

    def answer(self, pid: int, port: int, path: str, status: int, text: str) -> None:
        self.answers[pid, port, path] = (status, text)

    def machine(self, engine: bool = True) -> Machine:
        """To look at what was added so far."""
        head = "sl local_address rem_address st\n"
        for folder in self.proc.iterdir():
            rows = self.tables[self._net(int(folder.name))]
            (folder / "net/tcp").write_text(head + "".join(r for r in rows if len(r) < 100))
            (folder / "net/tcp6").write_text(head + "".join(r for r in rows if len(r) >= 100))

        return Machine(self.client() if engine else None, self.proc)

    def client(self) -> SimpleNamespace:
        """As much of a `docker.DockerClient` as is needed."""

        def listed(
            all: bool = False, ignore_removed: bool = False, filters: dict[str, Any] | None = None
        ) -> list[SimpleNamespace]:
            wanted = dict(item.partition("=")[::2] for item in (filters or {}).get("label", ()))
            return [
                one
                for one in self.containers
                if (all or one.attrs["State"]["Running"]) and wanted.items() <= one.labels.items()
            ]

        def volumes(filters: dict[str, str]) -> list[SimpleNamespace]:
            assert filters == {"label": "com.docker.compose.project=shop"}
            return [SimpleNamespace(name="shop_data", attrs={"Mountpoint": "/var/lib/v/_data"})]

        return SimpleNamespace(
            containers=SimpleNamespace(list=listed), volumes=SimpleNamespace(list=volumes)
        )

    def _net(self, pid: int) -> str:
        return str((self.proc / str(pid) / "ns/net").readlink())[5:-1]

    def _row(self, pid: int, net: str, here: str, there: str, state: str) -> None:
        self._inode += 1
        (self.proc / str(pid) / "fd" / str(self._inode)).symlink_to(f"socket:[{self._inode}]")
        row = f"0: {hexed(here)} {hexed(there)} {state} 0:0 0:0 0 0 0 {self._inode} 1 0 20\n"
        self.tables.setdefault(net, []).append(row)

    def _http_get(self, pid: int, end: Any, path: str) -> tuple[int, str] | None:
        self.requests.append(str(end))
        known = any(port == end.port and of == pid for of, port, _ in self.answers)
        return self.answers.get((pid, end.port, path), NOT_FOUND if known else None)


def compose(service: str, project: str = "shop") -> dict[str, str]:
    label = "com.docker.compose"
    return {
        f"{label}.project": project,
        f"{label}.service": service,
        f"{label}.version": "2.24.0",
        f"{label}.project.working_dir": f"/srv/{project}",
        f"{label}.project.config_files": f"/srv/{project}/compose.yml,/srv/{project}/prod.yml",
        f"{label}.project.environment_file": "/srv/.env",
    }


def python(packages: dict[str, str] = PACKAGES, **more: Any) -> Callable[[list[str]], str | None]:
    """An interpreter that answers the questions of inside.py."""
    known = {
        "packages": packages,
        "dotenv": {"path": None},
        "keys": None,
        "rooms": None,
        "version": None,
    } | more

    def says(argv: list[str]) -> str | None:
        if argv[1] != "-c":
            return None
        return json.dumps(known[argv[3]])

    return says


def livekit(argv: list[str]) -> str | None:
    """A container in which livekit-server is at /livekit-server."""
    return "livekit-server version 1.9.0\n" if argv == ["/livekit-server", "--version"] else None


def server(
    host: Host, pid: int = 100, ident: str = "a", name: str = "shop_livekit", **more: Any
) -> int:
    """A server in a container, behind tini."""
    full = host.container(ident, name, **{"says": livekit, "pid": pid - 1} | more)
    net = more.get("net", name)
    host.process(pid - 1, ["/sbin/tini", "--", "/livekit-server"], net=net, container=full)
    where = more.get("at", "[::]:7880")
    host.process(pid, ["/livekit-server"], parent=pid - 1, net=net, container=full, listens=[where])
    host.answer(pid, 7880, "/rtc/validate", 401, "no permissions to access the room")
    return pid


def worker(
    host: Host, pid: int = 200, ident: str = "b", name: str = "shop_agent", **more: Any
) -> int:
    """A worker of livekit-agents 1.1.3 that `uv run` started, with one job."""
    full = host.container(ident, name, **{"says": python(), "pid": pid} | more)
    net, agent_name = more.get("net", name), more.get("agent_name", "")
    where: dict[str, Any] = {"net": net, "container": full}
    host.process(pid, ["uv", "run", "agent.py", "start"], exe="/bin/uv", **where)
    own: dict[str, Any] = {"exe": "/usr/bin/python3.12", "maps": [FFI], **where}
    argv, env = ["/app/.venv/bin/python", "agent.py", "start"], more.get("env", ENVIRONMENT)
    host.process(pid + 1, argv, parent=pid, env=env, listens=["0.0.0.0:8081"], **own)
    host.process(pid + 2, argv, parent=pid + 1, env=env, inherits=pid + 1, **own)
    said = {"agent_name": agent_name, "worker_type": "JT_ROOM", "active_jobs": 1}
    for each in (pid + 1, pid + 2):
        host.answer(each, 8081, "/worker", 200, json.dumps(said))
    return pid + 1
