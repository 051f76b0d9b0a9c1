"""Images: what is here is used, what is ours follows its sources, a dead registry is asked once."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from module_utils.images import (
    SOURCE_LABEL,
    ImageError,
    Images,
    Wanted,
    pack,
    registry_of,
    source_digest,
    split_tag,
)


class NotFound(Exception):
    """What the SDK raises for an image that is not there."""


class Unreachable(Exception):
    explanation = "no such host"


class Engine:
    """Stands in for docker.DockerClient: local images, a registry, a builder."""

    def __init__(self, registry: dict[str, str] | None = None) -> None:
        self.local: dict[str, Any] = {}
        self.registry = registry
        self.asked: list[str] = []
        self.built: list[dict[str, Any]] = []
        self.build_log: list[dict[str, str]] = [{"stream": "Step 1/1 : FROM scratch\n"}]
        self.pull_log: list[dict[str, str]] = [{"status": "Downloading"}]
        self.images = SimpleNamespace(get=self._get)
        self.api = SimpleNamespace(pull=self._pull, build=self._build)

    def put(self, name: str, labels: dict[str, str] | None = None) -> None:
        image = SimpleNamespace(
            id=f"sha256:{name}", labels=labels or {}, attrs={"RepoDigests": [f"{name}@sha256:1"]}
        )
        image.tag = lambda repository, tag: self.local.update({f"{repository}:{tag}": image})
        self.local[name] = image

    def _get(self, name: str) -> Any:
        if name not in self.local:
            raise NotFound(name)
        return self.local[name]

    def _pull(self, repository: str, tag: str, **_: Any) -> list[dict[str, str]]:
        self.asked.append(f"{repository}:{tag}")
        if self.registry is None:
            raise Unreachable
        if f"{repository}:{tag}" not in self.registry:
            raise NotFound
        self.put(f"{repository}:{tag}")
        return self.pull_log

    def _build(self, **options: Any) -> list[dict[str, str]]:
        self.built.append(options)
        self.put(options["tag"], options["labels"])
        return self.build_log


def images_of(engine: Engine, *, pull: bool = True) -> Images:
    ticks = iter(range(1000))
    return Images(engine, NotFound, (Unreachable,), pull, clock=lambda: float(next(ticks)))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "context.tar"
    path.write_bytes(b"")
    return path


SERVER = Wanted("livekit/livekit-server:v1.9.0", "digest", pull="livekit/livekit-server:v1.9.0")


def test_a_local_image_of_a_registry_name_is_used_as_it_is() -> None:
    engine = Engine()
    engine.put(SERVER.name, {SOURCE_LABEL: "somebody else's"})
    found = images_of(engine).ensure(SERVER, dry=False)
    assert found is not None
    assert (found.how, found.id) == ("present", f"sha256:{SERVER.name}")
    assert engine.asked == []


def test_an_image_of_ours_is_used_while_its_sources_are_the_same(context: Path) -> None:
    engine = Engine()
    engine.put("releve:1", {SOURCE_LABEL: "same"})
    found = images_of(engine).ensure(Wanted("releve:1", "same", context=context), dry=False)
    assert found is not None
    assert found.how == "present"
    assert engine.built == []


def test_a_change_of_its_sources_builds_it_again(context: Path) -> None:
    engine = Engine()
    engine.put("releve:1", {SOURCE_LABEL: "before"})
    found = images_of(engine).ensure(Wanted("releve:1", "after", context=context), dry=False)
    assert found is not None
    assert found.how == "built"
    assert engine.local["releve:1"].labels == {SOURCE_LABEL: "after"}
    assert images_of(engine).ensure(Wanted("releve:1", "after"), dry=False) is not None


def test_a_pulled_image_gets_the_name_it_is_wanted_under() -> None:
    engine = Engine({"python:3.11": ""})
    found = images_of(engine).ensure(Wanted("base:1", pull="python:3.11"), dry=False)
    assert found is not None
    assert (found.how, found.name, found.seconds) == ("pulled", "base:1", 1.0)
    assert "base:1" in engine.local


def test_a_registry_out_of_reach_is_asked_once_and_named() -> None:
    engine = Engine(registry=None)
    images = images_of(engine)
    assert images.ensure(SERVER, dry=False) is None
    assert images.ensure(Wanted("base:1", pull="python:3.11"), dry=False) is None
    assert engine.asked == [SERVER.name]
    assert images.out_of_reach == {"docker.io": "docker.io cannot be reached: no such host"}


def test_a_release_is_pulled_again_although_an_image_of_its_name_is_here() -> None:
    engine = Engine({"agent:2": ""})
    engine.put("agent:2")
    old = engine.local["agent:2"]
    found = images_of(engine).ensure(Wanted("agent:2", pull="agent:2", newest=True), dry=False)
    assert found is not None
    assert (found.how, engine.local["agent:2"] is old) == ("pulled", False)


@pytest.mark.parametrize("registry", [None, {}])
def test_where_no_registry_gives_it_a_release_is_taken_as_it_is_here(
    registry: dict[str, str] | None,
) -> None:
    engine = Engine(registry)
    engine.put("agent:2")
    images = images_of(engine)
    found = images.ensure(Wanted("agent:2", pull="agent:2", newest=True), dry=False)
    assert found is not None
    assert found.how == "present"
    assert bool(images.refused) is (registry is not None)
    assert bool(images.out_of_reach) is (registry is None)


@pytest.mark.parametrize("name", ["sha256:agent", "ours:1"])
def test_no_registry_is_asked_for_what_was_made_here(name: str) -> None:
    engine = Engine({})
    engine.put(name, {SOURCE_LABEL: "x"} if name == "ours:1" else {})
    for dry in (True, False):
        found = images_of(engine).ensure(Wanted(name, pull=name, newest=True), dry=dry)
        assert found is not None
        assert found.how == "present"
    assert engine.asked == []


def test_no_registry_is_asked_when_that_is_forbidden() -> None:
    engine = Engine({SERVER.name: ""})
    assert images_of(engine, pull=False).ensure(SERVER, dry=False) is None
    assert engine.asked == []


def test_only_a_build_that_says_so_has_a_network(context: Path) -> None:
    engine = Engine()
    wanted = Wanted("browser:1", "a", context=context, network=True)
    images_of(engine).ensure(wanted, dry=False)
    assert engine.built[0]["network_mode"] == "bridge"


def test_an_image_the_registry_lacks_is_built_without_network(context: Path) -> None:
    engine = Engine({})
    wanted = Wanted(SERVER.name, "digest", SERVER.pull, context, {"BASE": "base:1"})
    found = images_of(engine).ensure(wanted, dry=False)
    assert found is not None
    assert found.how == "built"
    assert engine.built[0]["network_mode"] == "none"
    assert engine.built[0]["buildargs"] == {"BASE": "base:1"}


def test_a_pull_that_breaks_off_says_so() -> None:
    engine = Engine({SERVER.name: ""})
    engine.pull_log = [{"error": "unexpected EOF"}]
    with pytest.raises(ImageError, match=r"v1\.9\.0 does not arrive: unexpected EOF"):
        images_of(engine).ensure(SERVER, dry=False)


def test_a_build_that_fails_quotes_the_end_of_its_log(context: Path) -> None:
    engine = Engine()
    engine.build_log = [{"stream": "no module named x\n"}, {"error": "returned 1"}]
    with pytest.raises(ImageError, match=r"(?s)releve:1 does not build: returned 1.*no module"):
        images_of(engine).ensure(Wanted("releve:1", "a", context=context), dry=False)


@pytest.mark.parametrize(
    ("wanted", "how"),
    [
        (SERVER, "pulled"),
        (Wanted("releve:1", "a", context=Path("context.tar")), "built"),
        (Wanted("releve:1", "a"), None),
    ],
)
def test_a_dry_run_tells_and_touches_nothing(wanted: Wanted, how: str | None) -> None:
    engine = Engine({SERVER.name: ""})
    found = images_of(engine).ensure(wanted, dry=True)
    assert (found.how if found else None) == how
    assert (engine.asked, engine.built, engine.local) == ([], [], {})


def test_the_digest_follows_names_contents_and_build_arguments(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "agent.py").write_text("one")

    def digest(name: str = "src", **buildargs: str) -> str:
        return source_digest([(source, name)], buildargs)

    first = digest()
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "agent.pyc").write_text("compiled")
    assert digest() == first
    assert digest("elsewhere") != first
    assert digest(BASE="base:2") != first
    (source / "agent.py").chmod(0o755)
    executable = digest()
    assert executable != first
    (source / "agent.py").write_text("two")
    assert digest() != executable


def test_sources_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"agent\.py is part of an image and does not exist"):
        source_digest([(tmp_path / "agent.py", "agent.py")], {})


def test_a_packed_context_is_roots_and_keeps_what_is_executable(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "run").write_text("x")
    (tmp_path / "src" / "run").chmod(0o700)
    (tmp_path / "lock").write_text("y")
    (tmp_path / "lock").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(tmp_path / "lock", 1234, 1234)
    for name, mode in (("c.tar", "r:"), ("c.tar.gz", "r:gz")):
        context = tmp_path / "out" / name
        pack([(tmp_path / "src", "app"), (tmp_path / "lock", "lock")], context)
        with tarfile.open(context, mode) as tar:  # type: ignore[call-overload]
            packed = {m.name: (m.mode, m.uid, m.uname) for m in tar.getmembers()}
        assert packed == {"app/run": (0o755, 0, "root"), "lock": (0o644, 0, "root")}


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("python:3.11", "docker.io"),
        ("livekit/livekit-server:v1.9.0", "docker.io"),
        ("registry.example/team/app:1", "registry.example"),
        ("localhost/app", "localhost"),
        ("mirror:5000/app", "mirror:5000"),
    ],
)
def test_a_reference_names_its_registry(reference: str, registry: str) -> None:
    assert registry_of(reference) == registry


def test_a_port_is_not_a_tag() -> None:
    assert split_tag("mirror:5000/app") == ("mirror:5000/app", "latest")
    assert split_tag("mirror:5000/app:1") == ("mirror:5000/app", "1")
    assert split_tag("mirror:5000/app@sha256:ab") == ("mirror:5000/app", "sha256:ab")
