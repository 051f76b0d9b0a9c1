"""A repository that is no folder: restic's own REST backend, with a user and a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.restic.repository import ResticError

from .backup_standin import Site, empty_repository, files_of, site
from .rest_standin import rest_server

__all__ = ["empty_repository", "site"]


def test_a_repository_behind_http_is_made_filled_checked_and_read(
    site: Site, tmp_path: Path
) -> None:
    with rest_server() as address:
        remote = site.restic(location=address)
        remote.password_file.unlink()
        assert remote.ensure(), "the password is new"
        assert not remote.ensure()
        saved = remote.backup([str(site.volume)], ["files"])
        assert [item["short_id"] for item in remote.snapshots()] == [saved.snapshot]
        assert remote.check() == []
        back = files_of(remote, saved.snapshot, tmp_path / "back") / str(site.volume).lstrip("/")
    assert names(back) == names(site.volume)


def names(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_a_server_that_refuses_us_is_not_taken_for_an_empty_one(site: Site) -> None:
    with rest_server() as address:
        wrong = site.restic(location=address.replace("behind-http", "wrong-one"))
        with pytest.raises(ResticError, match="refuses us; see user and password") as told:
            wrong.ensure()
    assert "wrong-one" not in str(told.value)


def test_a_server_that_is_down_is_not_taken_for_an_empty_one(site: Site) -> None:
    with rest_server() as address:
        pass
    with pytest.raises(ResticError, match="cannot be reached; see that its server runs") as told:
        site.restic(location=address).ensure()
    assert "behind-http" not in str(told.value)
