"""Where the server's configuration comes from, and the file of the project that pins it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from module_utils.server import host
from module_utils.server.compose_file import Wish, changes, document, pinned
from module_utils.server.place import (
    INSIDE,
    KEYS,
    KEYS_INSIDE,
    OURS,
    OWN,
    ServerError,
    as_label,
    place_of,
)

DIGEST = "livekit/livekit-server@sha256:" + "a" * 64


def server(
    project: Path,
    *args: str,
    mounts: dict[str, str] | None = None,
    env: tuple[str, ...] = (),
    files: str = "docker-compose.yml",
    **labels: str,
) -> dict[str, Any]:
    """An inspected container."""
    about = {"com.docker.compose.project.config_files": files}
    bound = [{"Type": "bind", "Source": a, "Destination": b} for b, a in (mounts or {}).items()]
    return {
        "Path": "/livekit-server",
        "Args": list(args),
        "Mounts": bound,
        "Config": {
            "Cmd": list(args),
            "Env": list(env),
            "Image": "livekit/livekit-server:latest",
            "Labels": about | labels,
        },
    }


@pytest.mark.parametrize("words", [["--config", "/etc/l.yaml"], ["-config=/etc/l.yaml"]])
def test_a_mounted_file_is_found_on_the_host(tmp_path: Path, words: list[str]) -> None:
    own = str(tmp_path / "livekit.yaml")
    place = place_of(server(tmp_path, *words, mounts={"/etc/l.yaml": own}), tmp_path)
    assert (place.inside, place.own, place.command) == ("/etc/l.yaml", Path(own), None)
    assert as_label(place, tmp_path) == "livekit.yaml"


def test_a_file_in_a_mounted_folder_is_found(tmp_path: Path) -> None:
    mounts = {"/etc": "/srv/etc", "/etc/livekit": "/srv/lk"}
    attrs = server(tmp_path, "--config", "/etc/livekit/a/l.yaml", mounts=mounts)
    place = place_of(attrs, tmp_path)
    assert place.own == Path("/srv/lk/a/l.yaml")
    assert as_label(place, tmp_path) == "/srv/lk/a/l.yaml"


def test_a_server_without_a_file_is_given_one_by_its_command(tmp_path: Path) -> None:
    place = place_of(server(tmp_path, "--dev"), tmp_path)
    assert (place.inside, place.own) == (INSIDE, None)
    assert place.command == ["--dev", "--config", INSIDE]


def test_the_users_own_file_is_known_when_ours_is_mounted(tmp_path: Path) -> None:
    ours = {"/etc/l.yaml": str(tmp_path / OURS)}
    attrs = server(tmp_path, "--config", "/etc/l.yaml", mounts=ours, **{OWN: "conf/l.yaml"})
    assert place_of(attrs, tmp_path).own == tmp_path / "conf/l.yaml"
    again = server(tmp_path, "--dev", "--config", INSIDE, mounts={INSIDE: str(tmp_path / OURS)})
    place = place_of(again, tmp_path)
    assert (place.own, place.command) == (None, ["--dev", "--config", INSIDE])


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["--config-body=port: 1"], (), "LIVEKIT_CONFIG or --config-body"),
        ([], ("LIVEKIT_CONFIG=port: 1",), "LIVEKIT_CONFIG or --config-body"),
        (["--config", "/l.yaml"], (), "/l.yaml, is in its image"),
    ],
)
def test_a_configuration_in_no_file_on_the_host_is_refused(
    tmp_path: Path, words: list[str], env: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ServerError, match=said):
        place_of(server(tmp_path, *words, env=env), tmp_path)


def test_an_image_is_pinned_by_digest_where_a_registry_has_it() -> None:
    other = DIGEST.replace("livekit/", "mirror/", 1)
    both = {"RepoDigests": [other, DIGEST]}
    assert pinned(both, "livekit/livekit-server:latest", "t") == DIGEST
    assert pinned(both, "mirror/livekit-server", "t") == other
    assert pinned({"RepoDigests": [DIGEST]}, "localhost:5000/lk:1", "t") == DIGEST
    assert pinned({}, "livekit/livekit-server:latest", "l:v1.9.0") == "l:v1.9.0"


def body(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.partition("\n")[2])
    return found


def test_the_file_says_what_the_service_is(tmp_path: Path) -> None:
    attrs = server(tmp_path, "--a$b", env=("LIVEKIT_KEYS=k: s",))
    limits = {"memory": "2g", "cpus": 2, "nofile": 65536}
    wish = Wish("livekit", DIGEST, "port: 7880\n", "k: s\n", limits, ["CMD", "wget"])
    service = body(document(wish, attrs, place_of(attrs, tmp_path), tmp_path, {}))["services"]
    assert service["livekit"] == {
        "image": DIGEST,
        "labels": {"releve.server.digest": wish.digest, OWN: ""},
        "volumes": [f"./{OURS}:{INSIDE}:ro", f"./{KEYS}:{KEYS_INSIDE}:ro"],
        "command": ["--a$$b", "--config", INSIDE],
        "environment": {"LIVEKIT_KEYS": ""},
        "mem_limit": "2g",
        "cpus": 2,
        "ulimits": {"nofile": {"soft": 65536, "hard": 65536}},
        "healthcheck": {"test": ["CMD", "wget"], "interval": "10s", "timeout": "3s", "retries": 3},
    }


def test_compose_1_meets_files_of_one_version(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text('version: "3.8"\nservices: {}\n')
    attrs = server(tmp_path)
    assert body(document(Wish("a", DIGEST), attrs, None, tmp_path, {}))["version"] == "3.8"


def wanted(project: Path, **how: Any) -> dict[str, str | None]:
    files = how.pop("files", "docker-compose.yml")
    found = changes(Wish("livekit", DIGEST, **how), server(project, files=files), None, project)
    return {file.name: text for file, text in found.items()}


def test_a_later_up_reads_the_file_by_itself(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").touch()
    found = wanted(tmp_path)
    assert found.keys() == {"docker-compose.override.yml"}
    for name, text in found.items():
        (tmp_path / name).write_text(text or "")
    assert wanted(tmp_path, files="docker-compose.yml,docker-compose.override.yml") == {}


def test_a_project_with_files_of_its_own_is_told_how(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.override.yml").write_text("services: {}\n")
    with pytest.raises(ServerError, match=r"COMPOSE_FILE=docker-compose.yml:docker-compose.over"):
        wanted(tmp_path, files="docker-compose.yml,docker-compose.override.yml")
    (tmp_path / "docker-compose.override.yml").unlink()
    with pytest.raises(ServerError, match=r"COMPOSE_FILE=a.yml:b.yml into"):
        wanted(tmp_path, files=f"a.yml,{tmp_path}/b.yml")


def test_where_the_project_names_its_files_ours_is_named_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nCOMPOSE_FILE=a.yml:b.yml\nB=2\n")
    found = wanted(tmp_path, files="a.yml,b.yml")
    assert found[".env"] == "A=1\nCOMPOSE_FILE=a.yml:b.yml:compose.releve.yml\nB=2\n"
    for name, text in found.items():
        (tmp_path / name).write_text(text or "")
    assert wanted(tmp_path, files="a.yml,b.yml,compose.releve.yml") == {}


def test_a_configuration_that_is_wanted_no_more_is_removed(tmp_path: Path) -> None:
    (tmp_path / OURS).write_text("port: 7880\n")
    assert wanted(tmp_path)[OURS] is None


def test_limits_of_the_kernel_are_told_with_value_and_reason(tmp_path: Path) -> None:
    core = tmp_path / "sys/net/core"
    core.mkdir(parents=True)
    (core / "rmem_max").write_text("212992\n")
    (core / "wmem_max").write_text("5000000\n")
    (tmp_path / "7").mkdir()
    (tmp_path / "7/limits").write_text("Max open files            1024       4096       files\n")
    receive, files = host.told(7, tmp_path)
    assert receive.startswith("net.core.rmem_max is 212992, wanted is 5000000: LiveKit asks for")
    assert "`sysctl -w net.core.rmem_max=5000000`" in receive
    assert "may open 1024 files, wanted are 65536" in files
