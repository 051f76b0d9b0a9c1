"""The end of an old release on a real engine: removed when drained, and had again."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from module_utils.finalize import compose, kept
from module_utils.finalize.removal import NotYet, Old, Removal
from module_utils.release.difference import settings

from .test_release_engine import GATEWAY, Owner, owner

__all__ = ["owner"]


class Gateway:
    """Green is in service and blue cordoned; `calls` are blue's."""

    def __init__(self, calls: int = 0, serving: tuple[str, ...] = ("green",)) -> None:
        self.left = calls
        self.serving = serving

    def decisions(self) -> dict[str, Any]:
        return {"weights": {"blue": 0, "green": 100}, "serving": list(self.serving)}

    def calls(self) -> list[dict[str, Any]]:
        return [{"colour": "blue", "agent": "default"}] * self.left

    def state(self) -> dict[str, Any]:
        return {"cordoned": ["blue"], "drained": [] if self.left else ["blue"]}


@pytest.fixture
def folder(tmp_path: Path, owner: Owner) -> Iterator[Path]:
    (tmp_path / "compose.yml").write_text("services: {livekit: {image: l}, agent: {image: a}}")
    yield tmp_path / "kept"
    with suppress(NotFound):
        owner.client.images.remove(kept.name_of(owner.name, "blue"))


@pytest.fixture(autouse=True)
def _compose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Compose is asked: what it says is test_finalize_compose's."""
    override = tmp_path / "compose.override.yml"

    def config(*_: object) -> dict[str, Any]:
        return {"services": {"agent": {"deploy": {"replicas": 0}} if override.exists() else {}}}

    monkeypatch.setattr(compose, "_config", config)


def removal(owner: Owner, folder: Path, gateway: Any, days: float = 14) -> Removal:
    project = compose.project(str(folder.parent), [str(folder.parent / "compose.yml")], ["compose"])
    old = Old(owner.name, "agent", "blue", GATEWAY, folder, days, project)
    return Removal(owner.client, gateway, old, NotFound)


def containers(owner: Owner) -> list[str]:
    return [
        one.name for one in owner.client.containers.list(all=True, filters={"name": owner.name})
    ]


def test_a_drained_release_goes_and_comes_again_as_it_was(owner: Owner, folder: Path) -> None:
    blue = owner.start()
    before = settings(blue.attrs)
    steps = removal(owner, folder, Gateway()).steps()
    assert [step.what.split(" ")[0] for step in steps] == ["write", "keep", "remove"]
    assert "published ports 8081/tcp" in steps[-1].what
    for step in steps:
        step.act()
    assert containers(owner) == []
    assert removal(owner, folder, Gateway()).steps() == []
    (definition,) = folder.iterdir()
    assert stat.S_IMODE(definition.stat().st_mode) == 0o600
    found = kept.find(folder, "blue")
    assert found is not None
    for _ in range(2):  # the second changes nothing
        name = kept.have_again(owner.client, found, owner.name, NotFound)
    assert containers(owner) == [name] == [f"{owner.name}-agent-blue"]
    again = owner.client.containers.get(name)
    after = settings(again.attrs)
    differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert differing <= {
        "environment LIVEKIT_URL",
        "host PortBindings",
        "host Links",
        "ExposedPorts",
    }
    assert f"LIVEKIT_URL={GATEWAY}" in again.attrs["Config"]["Env"]


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        (Gateway(calls=2), "blue is draining: 2 calls .* only a drained release is removed"),
        (Gateway(serving=()), "green is in service and no uncordoned worker of it is connected"),
    ],
)
def test_what_holds_calls_or_is_all_there_is_stays(
    owner: Owner, folder: Path, gateway: Gateway, said: str
) -> None:
    owner.start()
    with pytest.raises(NotYet, match=said):
        removal(owner, folder, gateway).steps()
    assert containers(owner) == [f"{owner.name}-agent-1"]


def test_a_call_that_comes_while_it_is_removed_keeps_it(owner: Owner, folder: Path) -> None:
    owner.start()
    gateway = Gateway()
    steps = removal(owner, folder, gateway).steps()
    gateway.left = 1
    with pytest.raises(NotYet):
        steps[-1].act()
    assert containers(owner) == [f"{owner.name}-agent-1"]


def test_what_was_kept_for_long_enough_is_forgotten(owner: Owner, folder: Path) -> None:
    owner.start()
    for step in removal(owner, folder, Gateway(), days=0).steps():
        step.act()
    name = kept.name_of(owner.name, "blue")
    assert owner.client.images.get(name).id == owner.images["old"]
    found = kept.find(folder, "blue")
    assert found is not None and found.until <= time.time()
    (step,) = removal(owner, folder, Gateway()).steps()
    assert step.what == "forget what was kept of blue: its time is over"
    step.act()
    with pytest.raises(NotFound):
        owner.client.images.get(name)
    assert kept.find(folder, "blue") is None
    owner.client.images.get(owner.images["old"])  # which has a name of its own, stays


def test_a_release_whose_image_is_gone_says_so(owner: Owner, folder: Path) -> None:
    owner.start()
    for step in removal(owner, folder, Gateway()).steps():
        step.act()
    found = kept.find(folder, "blue")
    assert found is not None
    found.facts["container"]["Image"] = "sha256:" + "0" * 64
    with pytest.raises(kept.ImageGone, match="the image of blue, sha256:0"):
        kept.have_again(owner.client, found, owner.name, NotFound)
