"""What belongs to a stack, and who writes to it. With an engine that only lists."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from module_utils.backup.contents import BackupError, Tree, read_contents
from module_utils.backup.document import document, page
from module_utils.backup.pause import flush_database
from module_utils.backup.settings import repository
from module_utils.discovery.processes import Processes
from module_utils.restore.scratch_copy import refuse_foreign_urls

from .recorded_host import Host

PROJECT = "com.docker.compose.project"


class Listing:
    """Images, networks and so on of a pretended engine: all by name."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    def list(self, **_: Any) -> list[Any]:
        return list(self._items)

    def get(self, name: str) -> Any:
        return next(item for item in self._items if name in (item.name, item.id))


def container(name: str, image: str, *mounts: dict[str, Any], **changed: Any) -> Any:
    folder = changed.pop("folder")
    labels = {PROJECT: "eloquence", "com.docker.compose.service": name}
    labels["com.docker.compose.project.working_dir"] = str(folder)
    attrs = {
        "Id": name * 8,
        "Name": f"/{name}",
        "Image": "sha256:1",
        "Config": {"Image": image, "Labels": labels, "Env": changed.pop("env", [])},
        "State": {"Running": True, "Paused": False} | changed,
        "Mounts": list(mounts),
        "NetworkSettings": {"Networks": {"eloquence_default": {"Aliases": [name, f"e_{name}"]}}},
    }
    return SimpleNamespace(id=attrs["Id"], name=name, attrs=attrs, labels=labels)


def mount(
    source: Path | str, kind: str = "bind", name: str = "", rw: bool = True
) -> dict[str, Any]:
    return {"Type": kind, "Source": str(source), "Name": name, "RW": rw, "Destination": "/x"}


def engine(*containers: Any, volumes: tuple[Any, ...] = ()) -> Any:
    image = {"Id": "sha256:1", "RepoTags": [], "RepoDigests": [], "Size": 1}
    attrs = {"Name": "eloquence_default", "Driver": "bridge"}
    network = SimpleNamespace(id="n", name="eloquence_default", attrs=attrs)
    return SimpleNamespace(
        containers=Listing(*containers),
        volumes=Listing(*volumes),
        networks=Listing(network),
        images=Listing(SimpleNamespace(id="sha256:1", name="", attrs=image)),
    )


def trees(client: Any) -> list[Tree]:
    return list(read_contents(client, "eloquence", ("livekit", "agent"), []).trees)


def test_who_writes_to_a_folder_of_the_project_is_known_as_with_a_volume(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tree,) = trees(
        engine(
            container("redis", "redis:7-alpine", mount(data), folder=tmp_path),
            container("notes", "nginx:1", mount(data), folder=tmp_path),
            container("reader", "nginx:1", mount(data, rw=False), folder=tmp_path),
            container("agent", "mine:1", mount(tmp_path), folder=tmp_path),
            container("coach", "m:1", mount(data), folder=tmp_path, env=["LIVEKIT_URL=ws://x"]),
            container("sip", "docker.io/livekit/sip:1", mount(data), folder=tmp_path),
        )
    )
    assert (tree.kind, tree.path) == ("project", str(tmp_path))
    assert (tree.databases, tree.writers) == (("redis",), ("notes",))
    assert tree.talking == ("agent", "coach", "sip"), "never paused: they may hold calls"


@pytest.mark.parametrize("state", [{"Running": False}, {"Paused": True}])
def test_whoever_stands_still_already_is_neither_paused_nor_woken(
    tmp_path: Path, state: dict[str, bool]
) -> None:
    (tree,) = trees(engine(container("notes", "n:1", mount(tmp_path), folder=tmp_path, **state)))
    assert tree.writers == ()


def test_what_starts_again_and_again_cannot_be_paused_and_is_watched(tmp_path: Path) -> None:
    looping = container("notes", "n:1", mount(tmp_path), folder=tmp_path, Restarting=True)
    (tree,) = trees(engine(looping))
    assert (tree.writers, tree.talking) == ((), ("notes",))


def test_a_volume_of_the_project_is_saved_also_while_no_container_has_it(tmp_path: Path) -> None:
    project, place = tmp_path / "project", tmp_path / "volumes" / "old" / "_data"
    for folder in (project, place):
        folder.mkdir(parents=True)
    attrs = {"Name": "eloquence_old", "Mountpoint": str(place)}
    old = SimpleNamespace(id="v", name="eloquence_old", attrs=attrs)
    client = engine(container("agent", "m:1", folder=project), volumes=(old,))
    found = read_contents(client, "eloquence", ("agent",), [])
    assert [(tree.kind, tree.name) for tree in found.trees] == [
        ("project", str(project)),
        ("volume", "eloquence_old"),
    ]
    assert found.volumes == (attrs,)


def test_what_is_the_hosts_is_left_out_and_said_so_but_livekits_config_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.lexists", lambda path: True)
    binds = [mount("/etc/localtime"), mount("/etc/livekit.yaml"), mount("/run/docker.sock")]
    client = engine(container("livekit", "livekit/livekit-server", *binds, folder=tmp_path))
    found = read_contents(client, "eloquence", ("livekit",), [])
    assert [tree.path for tree in found.trees if tree.kind == "bind"] == ["/etc/livekit.yaml"]
    assert {reason for _, reason in found.left_out} == {"the host's own"}
    assert len(found.left_out) == 2


def test_a_container_that_starts_again_and_again_does_not_keep_a_backup_from_being_made(
    tmp_path: Path,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise APIError("Container is restarting, wait until the container is running")

    looping = container("agent", "m:1", folder=tmp_path)
    looping.attrs |= {"Path": "python3"}
    looping.exec_run = refuse
    client = engine(looping)
    client.version = lambda: {"Version": "20.10", "ApiVersion": "1.41"}
    contents = read_contents(client, "eloquence", ("agent",), [])
    found = document(client, contents, "run1", "2026-01-01T00:00:00Z", "restic 0.14.0")
    assert found["containers"][0]["python"] is None
    assert not flush_database(client, "agent"), "then it is paused"
    assert "### agent" in page(found)


def test_the_servers_version_is_its_programs_behind_any_entrypoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host").mkdir()
    host, ident = Host(tmp_path / "host", monkeypatch), "a" * 8
    host.process(99, ["/sbin/tini"], container=ident * 8)
    host.process(100, ["/livekit-server"], parent=99, container=ident * 8)
    monkeypatch.setattr("module_utils.backup.document.Processes", lambda: Processes(host.proc))

    def says(argv: list[str], **_: Any) -> tuple[int, bytes]:
        return (0, b"livekit-server version 1.9.0") if argv[0] == "/livekit-server" else (1, b"")

    server = container(ident, "l:1", folder=tmp_path)
    server.attrs |= {"Path": "/sbin/tini"}
    server.exec_run = says
    client = engine(server)
    client.version = lambda: {"Version": "20.10", "ApiVersion": "1.41"}
    contents = read_contents(client, "eloquence", (), [])
    found = document(client, contents, "run1", "2026-01-01T00:00:00Z", "restic 0.14.0")
    assert found["containers"][0]["server"] == "livekit-server version 1.9.0"


def test_a_copy_that_would_answer_the_originals_calls_is_refused(tmp_path: Path) -> None:
    def pair(url: str) -> list[dict[str, Any]]:
        agent = container("agent", "m:1", folder=tmp_path, env=[f"LIVEKIT_URL={url}"])
        return [container("livekit", "livekit/s:1", folder=tmp_path).attrs, agent.attrs]

    refuse_foreign_urls(pair("ws://livekit:7880"))
    refuse_foreign_urls(pair("ws://e_livekit:7880"))
    for url in ("wss://live.example.org", "ws://10.0.0.5:7880", "ws://host.docker.internal:7880"):
        with pytest.raises(BackupError, match="would answer the original's calls"):
            refuse_foreign_urls(pair(url))


def test_a_password_in_the_repositorys_address_is_no_option_that_ansible_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: tool)
    params = {
        "repository": "rest:https://user:behind-http@backup.example.org/",
        "home": tmp_path,
        "password_file": tmp_path / "password",
        "stack": "eloquence",
        "run": "run1",
        "environment": {},
    }
    module = SimpleNamespace(params=params, no_log_values=set())
    repository(module)
    assert module.no_log_values == {"behind-http"}
