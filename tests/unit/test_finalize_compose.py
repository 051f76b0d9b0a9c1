"""After a release was finalized, the user's `docker compose up` starts no second agent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils import override
from module_utils.finalize import compose
from module_utils.finalize.compose import ComposeError, Project

AGENT: dict[str, Any] = {"services": {"livekit": {"image": "l"}, "agent": {"image": "a"}}}


class Compose:
    """Merges the project's files as Compose does, for the few keys that matter."""

    def __init__(self, **also: Any) -> None:
        self.also = also

    def __call__(self, argv: Sequence[str], folder: str) -> str:
        assert argv[0] == "compose" and argv[-1] == "config"
        named = [word.removeprefix("--file=") for word in argv if word.startswith("--file=")]
        plain = ["compose.yml", "compose.override.yml"]
        merged: dict[str, Any] = {}
        for name in named or plain:
            path = Path(folder, name)
            if path.exists():
                for service, settings in yaml.safe_load(path.read_text())["services"].items():
                    merged.setdefault(service, {}).update(settings)
        return yaml.safe_dump({"services": merged | self.also})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "compose.yml").write_text(yaml.safe_dump(AGENT))
    return tmp_path


def of(home: Path, *files: str) -> Project:
    return compose.project(str(home), files or (str(home / "compose.yml"),), ["compose"])


def test_an_override_gives_the_service_no_container_and_a_second_run_writes_nothing(
    home: Path,
) -> None:
    project, run = of(home), Compose()
    assert compose.starts(project, "agent", run)
    text = compose.wanted(project, "agent", run)
    assert text is not None
    compose.write(project, text, "agent", run)
    assert not compose.starts(project, "agent", run)
    assert compose.wanted(project, "agent", run) is None
    written = home / "compose.override.yml"
    assert written.read_text().startswith("# Written by Relève (docs/operations.md)")
    assert (home / "compose.yml").read_text() == yaml.safe_dump(AGENT)
    assert {path.name for path in home.iterdir()} == {"compose.yml", "compose.override.yml"}
    written.unlink()
    assert compose.starts(project, "agent", run)


def test_a_server_that_was_pinned_in_the_override_stays_pinned(home: Path) -> None:
    pinned = {"image": "l:1.9", "command": ["--keys", "$HOME"]}
    theirs = home / "compose.override.yml"
    theirs.write_text(override.text({"livekit": pinned}, home / "compose.yml"))
    project = of(home, str(home / "compose.yml"), str(theirs))
    text = compose.wanted(project, "agent", Compose())
    assert text is not None
    compose.write(project, text, "agent", Compose())
    assert override.services(theirs) == {"livekit": pinned, "agent": {"deploy": {"replicas": 0}}}


def test_a_service_with_a_scale_gets_a_scale(home: Path) -> None:
    run = Compose(agent={"image": "a", "scale": 1})
    text = compose.wanted(of(home), "agent", run)
    assert yaml.safe_load(text or "")["services"] == {"agent": {"scale": 0}}


@pytest.mark.parametrize(
    "service",
    [{"profiles": ["old"]}, {"scale": 0}, {"deploy": {"replicas": 0}}],
)
def test_a_service_that_its_owner_has_put_aside_is_left_as_it_is(
    home: Path, service: dict[str, Any]
) -> None:
    assert compose.wanted(of(home), "agent", Compose(agent=service)) is None
    assert compose.wanted(of(home), "gone", Compose()) is None


def test_an_override_of_the_users_is_not_touched_and_the_lines_are_said(home: Path) -> None:
    mine = home / "compose.override.yml"
    mine.write_text(yaml.safe_dump({"services": {"livekit": {"ports": ["1:1"]}}}))
    with pytest.raises(
        ComposeError, match=r"(?s)compose.override.yml, which is yours.*replicas: 0"
    ):
        compose.wanted(of(home), "agent", Compose())


def test_files_that_compose_does_not_find_by_itself_are_their_owners_to_change(home: Path) -> None:
    (home / "prod.yml").write_text(yaml.safe_dump(AGENT))
    two = of(home, str(home / "compose.yml"), str(home / "prod.yml"))
    with pytest.raises(ComposeError, match=r"(?s)Add to .*/prod.yml, then run again:.*replicas: 0"):
        compose.wanted(two, "agent", Compose())
    with_its_override = of(home, str(home / "compose.yml"), str(home / "compose.override.yml"))
    assert with_its_override.plain


def test_an_override_that_compose_does_not_obey_goes_again(home: Path) -> None:
    run = Compose(agent={"image": "a"})
    with pytest.raises(ComposeError, match="would start the service agent all the same"):
        compose.write(of(home), "services: {agent: {deploy: {replicas: 0}}}", "agent", run)
    assert not (home / "compose.override.yml").exists()
