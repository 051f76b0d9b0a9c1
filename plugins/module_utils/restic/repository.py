"""restic's commands: one process each, results as data, errors as sentences."""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .process import GENTLY, LOCKED, Done, LockedError, Repository, ResticError, json_lines, text_of


@dataclass(frozen=True)
class Saved:
    """One new snapshot: its short id, bytes read, bytes new to the repository (uncompressed), and
    the files that could not be read."""

    snapshot: str
    bytes: int
    added: int
    unread: tuple[str, ...] = ()


class Restic(Repository):
    """The commands on one repository."""

    # The repository itself

    def ensure(self) -> bool:
        """Make password and repository where there are none; True when the password is new."""
        here = self.path is not None and self.exists()
        if here and not self.password_file.exists():
            raise ResticError(
                f"the repository {self.shown} exists but its password file {self.password_file} "
                "does not: put your copy of it there, or choose another `backup_repository`"
            )
        made = self._make_password()
        try:
            if not (here or self.exists()):
                self.call("init")
        except ResticError:
            if made:  # it opens nothing, and would be taken for the one that does
                self.password_file.unlink()
            raise
        return made

    def _make_password(self) -> bool:
        self.password_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if self.password_file.stat().st_mode & 0o077:
                raise ResticError(
                    f"others can read {self.password_file}; chmod 600 it and run again"
                ) from None
            return False
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return True

    # What it holds

    def snapshots(self) -> list[dict[str, Any]]:
        """This host's snapshots as restic shows them, oldest first."""
        found = json.loads(self.call("snapshots", "--json", "--host", self.host).output)
        return sorted(found or [], key=lambda item: item["time"])

    def read(self, snapshot: str, path: str) -> bytes:
        """One file of a snapshot."""
        with tempfile.TemporaryFile() as out:
            self.call("dump", snapshot, path, stdout=out)
            out.seek(0)
            return out.read()

    def dump(self, snapshot: str, path: str) -> subprocess.Popen[bytes]:
        """One file of a snapshot as a running process to read from."""
        return self.spawn(("dump", snapshot, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    # Writing

    def backup(self, paths: Sequence[str], tags: Sequence[str], parent: str = "") -> Saved:
        """Save files; those that the parent holds unchanged are not read. It is the last snapshot
        of the same paths when none is given. Links are not followed."""
        options = [f"--tag={tag}" for tag in tags] + ([f"--parent={parent}"] if parent else [])
        # Names on standard input, not as arguments: an argument list has an end.
        listing = b"".join(os.fsencode(path) + b"\0" for path in paths)
        with tempfile.TemporaryFile() as names:
            names.write(listing)
            names.seek(0)
            done = self.call(
                *("backup", "--json", "--host", self.host, *options),
                *("--files-from-raw", "/dev/stdin"),
                stdin=names,
                ok=(0, 3),
            )
        return _saved(done)

    def save(self, producer: Sequence[str], name: str, tags: Sequence[str]) -> Saved:
        """Save what a command prints, as a file called `name`; nothing is saved when it fails."""
        return self.unlocked(lambda: self._save(producer, name, tags))

    def _save(self, producer: Sequence[str], name: str, tags: Sequence[str]) -> Saved:
        options = [f"--tag={tag}" for tag in tags]
        into, out_of = os.pipe()  # (read, write)
        with (
            tempfile.TemporaryFile() as summary,
            tempfile.TemporaryFile() as said,
            tempfile.TemporaryFile() as complained,
        ):
            command = ("backup", "--json", "--host", self.host, *options)
            restic = self.spawn(
                (*command, "--stdin", "--stdin-filename", name),
                stdin=into,
                stdout=summary,
                stderr=said,
            )
            os.close(into)
            made = subprocess.Popen([*GENTLY, *producer], stdout=out_of, stderr=complained)
            # Our end of the pipe stays open until the producer is known to have done it all: restic
            # sees no end of file before, and so never takes half an image for a whole one.
            with self.watched(restic):
                try:
                    while made.poll() is None and restic.poll() is None:
                        _wait_any(made, restic, seconds=1)
                        self.tell(_last_line(summary))
                    refused = restic.poll() is not None
                    if refused:
                        made.kill()
                    if made.wait() != 0 and restic.poll() is None:
                        restic.kill()
                finally:
                    os.close(out_of)
                restic.wait()
            output, answer, why = (text_of(file) for file in (summary, said, complained))
            if restic.returncode == 0 and made.returncode == 0:
                return _saved(Done(0, json_lines(output), "", answer))
            # restic was killed here, for the producer; one that fails by itself says why.
            if made.returncode and not refused and restic.returncode < 0:
                last = why.strip().splitlines()[-1:] or [f"exit code {made.returncode}"]
                raise ResticError(
                    f"`{' '.join(producer[:2])}` ended before it was done ({last[0]}); nothing of "
                    "it counts, what was saved before stays valid. Mend it and run again"
                )
            if LOCKED in answer:
                raise LockedError(self.sentence(answer))
            raise ResticError(self.sentence(answer))

    def forget(self, *snapshots: str) -> None:
        """Forget snapshots; the next `prune` frees their space."""
        self.call("forget", *snapshots)

    def keep(self, tag: str, last: int, daily: int, weekly: int) -> None:
        """Forget the snapshots of a tag beyond these limits."""
        limits = ["--keep-last", last, "--keep-daily", daily, "--keep-weekly", weekly]
        which = ["--host", self.host, "--tag", tag, "--group-by", "host"]
        self.call("forget", *which, *map(str, limits))

    def prune(self) -> None:
        """Free the space of forgotten snapshots."""
        self.call("prune")

    def version(self) -> str:
        """restic's version."""
        done = subprocess.run(["restic", "version"], capture_output=True, text=True, check=True)
        return " ".join(done.stdout.split()[:2])

    def restore(self, snapshot: str, into: Path, only: Sequence[str] = ()) -> list[str]:
        """Restore below `into`; returns what restic said about files it could not restore."""
        options = [f"--include={literal(path)}" for path in only]
        done = self.call("restore", snapshot, "--target", str(into), *options, ok=(0, 1))
        complaints = [line for line in done.said.splitlines() if line.strip()]
        if done.code and not any("ignoring error" in line for line in complaints):
            raise ResticError(self.sentence(done.said))
        return [line for line in complaints if "ignoring error" in line]

    def check(self) -> list[str]:
        """`restic check --read-data`: what is damaged, one line each; empty when all is well."""
        done = self.call("check", "--read-data", ok=(0, 1))
        if done.code == 0:
            return []
        lines = [line.strip() for line in done.said.splitlines() if line.strip()]
        bad = [line for line in lines if re.search(r"\b[0-9a-f]{8,64}\b", line)]
        if not bad:
            raise ResticError(self.sentence(done.said))
        return bad


def literal(path: str) -> str:
    """A path as a pattern of restic that matches nothing else."""
    return re.sub(r"([\\*?\[])", r"\\\1", path)


def _last_line(file: IO[bytes]) -> bytes:
    """The last whole line of what another process has written by now."""
    size = os.fstat(file.fileno()).st_size
    lines = os.pread(file.fileno(), 8192, max(0, size - 8192)).split(b"\n")
    return lines[-2] if len(lines) > 1 else b""


def _wait_any(*processes: subprocess.Popen[bytes], seconds: float) -> None:
    """Block until one of the processes has ended, or so long."""
    poll = select.poll()
    handles = [os.pidfd_open(process.pid) for process in processes]
    try:
        for handle in handles:
            poll.register(handle, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        for handle in handles:
            os.close(handle)


def _saved(done: Done) -> Saved:
    summary = next(item for item in done.lines if item.get("message_type") == "summary")
    unread = tuple(
        str(item["item"])
        for item in json_lines(done.said)
        if item.get("message_type") == "error" and item.get("item")
    )
    return Saved(
        snapshot=summary["snapshot_id"],
        bytes=summary["total_bytes_processed"],
        added=summary["data_added"],
        unread=unread,
    )
