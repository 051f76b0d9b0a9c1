"""`upgrade_code.yml` on a repository like a user's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.harness import ROOT, Stage

FIXTURES = ROOT / "tests/unit/upgrade_fixtures"


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def here(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An echo worker that the tool can move, beside a program that it cannot; and a remote."""
    found = tmp_path / "agent"
    found.mkdir()
    git(found, "init", "--quiet", "--initial-branch=main")
    git(found, "config", "user.name", "x")
    git(found, "config", "user.email", "x@example.org")
    (found / "bots").mkdir()
    shutil.copy(FIXTURES / "echo_worker/before.py", found / "bots/echo.py")
    shutil.copy(FIXTURES / "by_hand/before.py", found / "coach.py")
    (found / "requirements.agent.txt").write_text("livekit==0.11.1\nlivekit-agents==0.7.2\n")
    git(found, "add", "--all")
    git(found, "commit", "--quiet", "--message=As it is")
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "remote"], check=True)
    git(found, "remote", "add", "origin", str(tmp_path / "remote"))
    git(found, "push", "--quiet", "origin", "main")
    return found


def test_the_code_is_moved_on_a_branch_and_its_caller_hears_it(
    here: Stage, repository: Path, tmp_path: Path
) -> None:
    before = git(repository, "rev-parse", "main")
    run = here.play(
        "playbooks/upgrade_code.yml",
        code_repository=str(repository),
        code_out=str(tmp_path / "out"),
    )
    assert run.code == 0, run.output
    assert git(repository, "branch", "--show-current").strip() == "migration-livekit-v1"
    assert git(repository, "rev-parse", "main", "HEAD~1") == before * 2
    assert git(repository, "status", "--porcelain") == ""
    assert "livekit-agents==1.1.3" in (repository / "requirements.agent.txt").read_text()

    report = (tmp_path / "out/report.txt").read_text()
    by_hand, unfit, called = report.split("\n\n")[1:]
    assert "coach.py:" in by_hand and "echo.py" not in by_hand
    assert "coach.py: ModuleNotFoundError" in unfit and "echo.py" not in unfit
    heard = called.strip().splitlines()[1:]
    assert len(heard) == 1 and heard[0].startswith("bots/echo.py: "), called
    valid, _, sent = heard[0].split()[1:4]
    assert int(sent) == 10 and int(valid) >= 1, called

    remote = git(repository, "ls-remote", "--heads", "origin").split()
    assert remote == [before.strip(), "refs/heads/main"], "nothing was pushed"
    assert not [item for item in here.docker.containers.list(all=True) if "upgrade" in item.name]
    assert not here.docker.networks.list(names=["releve-upgrade-"])


def test_changes_that_are_not_committed_are_refused_and_kept(
    here: Stage, repository: Path, tmp_path: Path
) -> None:
    (repository / "coach.py").write_text("mine = True\n")
    run = here.play(
        "playbooks/upgrade_code.yml",
        code_repository=str(repository),
        code_out=str(tmp_path / "out"),
    )
    assert run.code != 0
    assert "changes that are not committed (1 files, first M coach.py)" in run.last
    assert (repository / "coach.py").read_text() == "mine = True\n"
    assert git(repository, "branch", "--format=%(refname:short)").split() == ["main"]
