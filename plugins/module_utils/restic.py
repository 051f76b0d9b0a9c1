"""restic, driven: one process per question, its answers as data, its refusals as sentences.

Neither the password nor a remote repository's address (which may hold a password of its own) is
ever an argument or in the environment: restic reads the one from its file, the other from memory.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from .standstill import ended_when_still

T = TypeVar("T")

# What changes nothing in the repository, and so can do without its lock where none can be had.
READS = ("cat", "snapshots", "dump", "restore", "check")
# What never needs one: a lock costs a third of a second, and a list is whole whoever else writes.
LISTS = ("cat", "snapshots")
# A child must not outlive the worker: half an image would look like a whole one.
TIED = ("setpriv", "--pdeathsig", "KILL")
# People talk meanwhile: what takes a processor does so when nobody else wants it. Where the kernel
# shares between sessions, niceness counts only within one, and a session's own does.
_NICE = 'echo 19 2>/dev/null >/proc/self/autogroup; exec nice -n 19 ionice -c 3 "$@"'
GENTLY = (*TIED, "setsid", "sh", "-c", _NICE, "sh")
NO_REPOSITORY = "Is there a repository at the following location?"
LOCKED = "already locked"
LOCK_SECONDS = 5.0  # how long a lock in the way is looked at again
# restic asks whether there is a repository, too, where it could not look.
AWAY = re.compile(
    "connection refused|connection reset|no such host|no route to host|timed? ?out"
    "|ssh command exited|unable to start the sftp session"
)
REFUSED = re.compile(r"\b40[13]\b|Access ?Denied|Forbidden")

Progress = Callable[[str], None]  # what is done now, or how much of it: "412 of 1600 MB"


class ResticError(Exception):
    """restic did not do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Saved:
    """One new snapshot: its short id, bytes read, bytes new to the repository (uncompressed), and
    the files that could not be read."""

    snapshot: str
    bytes: int
    added: int
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Done:
    code: int
    lines: list[dict[str, Any]]
    output: str
    said: str


@dataclass(frozen=True)
class Restic:
    """One repository: `location` is a path or any backend restic knows. `home` keeps the cache of a
    remote one."""

    location: str
    home: Path
    password_file: Path
    host: str
    environment: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = lambda text: None
    amount: Progress = lambda text: None

    @property
    def path(self) -> Path | None:
        """The folder of a local repository, None for a remote one."""
        return Path(self.location) if self.location.startswith("/") else None

    @property
    def shown(self) -> str:
        """The location without a password."""
        return re.sub(r"//[^/@]*@", "//***@", self.location)

    # The repository itself

    def exists(self) -> bool:
        """Whether there is a repository. Raises ResticError when that cannot be told."""
        if self.path is not None:
            return (self.path / "config").exists()
        if not self.password_file.exists():
            return False
        done = self._call("cat", "config", ok=(0, 1))
        if done.code == 0:
            return True
        if NO_REPOSITORY in done.said and not (AWAY.search(done.said) or REFUSED.search(done.said)):
            return False
        raise ResticError(self._sentence(done.said))

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
                self._call("init")
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
        found = json.loads(self._call("snapshots", "--json", "--host", self.host).output)
        return sorted(found or [], key=lambda item: item["time"])

    def read(self, snapshot: str, path: str) -> bytes:
        """One file of a snapshot."""
        with tempfile.TemporaryFile() as out:
            self._call("dump", snapshot, path, stdout=out)
            out.seek(0)
            return out.read()

    def dump(self, snapshot: str, path: str) -> subprocess.Popen[bytes]:
        """One file of a snapshot as a running process to read from."""
        return self._spawn(("dump", snapshot, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

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
            done = self._call(
                *("backup", "--json", "--host", self.host, *options),
                *("--files-from-raw", "/dev/stdin"),
                stdin=names,
                ok=(0, 3),
            )
        return _saved(done)

    def save(self, producer: Sequence[str], name: str, tags: Sequence[str]) -> Saved:
        """Save what a command prints, as a file called `name`; nothing is saved when it fails."""
        return self._unlocked(lambda: self._save(producer, name, tags))

    def _save(self, producer: Sequence[str], name: str, tags: Sequence[str]) -> Saved:
        options = [f"--tag={tag}" for tag in tags]
        into, out_of = os.pipe()  # (read, write)
        with (
            tempfile.TemporaryFile() as summary,
            tempfile.TemporaryFile() as said,
            tempfile.TemporaryFile() as complained,
        ):
            command = ("backup", "--json", "--host", self.host, *options)
            restic = self._spawn(
                (*command, "--stdin", "--stdin-filename", name),
                stdin=into,
                stdout=summary,
                stderr=said,
            )
            os.close(into)
            made = subprocess.Popen([*GENTLY, *producer], stdout=out_of, stderr=complained)
            # Our end of the pipe stays open until the producer is known to have done it all: restic
            # sees no end of file before, and so never takes half an image for a whole one.
            with self._watched(restic):
                try:
                    while made.poll() is None and restic.poll() is None:
                        _wait_any(made, restic, seconds=1)
                        self._tell(_last_line(summary))
                    refused = restic.poll() is not None
                    if refused:
                        made.kill()
                    if made.wait() != 0 and restic.poll() is None:
                        restic.kill()
                finally:
                    os.close(out_of)
                restic.wait()
            output, answer, why = (_text(file) for file in (summary, said, complained))
            if restic.returncode == 0 and made.returncode == 0:
                return _saved(_Done(0, _json_lines(output), "", answer))
            # restic was killed here, for the producer; one that fails by itself says why.
            if made.returncode and not refused and restic.returncode < 0:
                last = why.strip().splitlines()[-1:] or [f"exit code {made.returncode}"]
                raise ResticError(
                    f"`{' '.join(producer[:2])}` ended before it was done ({last[0]}); nothing of "
                    "it counts, what was saved before stays valid. Mend it and run again"
                )
            if LOCKED in answer:
                raise _Locked(self._sentence(answer))
            raise ResticError(self._sentence(answer))

    def forget(self, *snapshots: str) -> None:
        """Forget snapshots; their room comes back with the next `prune`."""
        self._call("forget", *snapshots)

    def keep(self, tag: str, last: int, daily: int, weekly: int) -> None:
        """Forget the snapshots of a tag beyond these limits."""
        limits = ["--keep-last", last, "--keep-daily", daily, "--keep-weekly", weekly]
        which = ["--host", self.host, "--tag", tag, "--group-by", "host"]
        self._call("forget", *which, *map(str, limits))

    def prune(self) -> None:
        """Give back the room of what was forgotten."""
        self._call("prune")

    def version(self) -> str:
        """As restic says it."""
        done = subprocess.run(["restic", "version"], capture_output=True, text=True, check=True)
        return " ".join(done.stdout.split()[:2])

    def restore(self, snapshot: str, into: Path, only: Sequence[str] = ()) -> list[str]:
        """Restore below `into`; returns what restic said about files it could not restore."""
        options = [f"--include={literal(path)}" for path in only]
        done = self._call("restore", snapshot, "--target", str(into), *options, ok=(0, 1))
        complaints = [line for line in done.said.splitlines() if line.strip()]
        if done.code and not any("ignoring error" in line for line in complaints):
            raise ResticError(self._sentence(done.said))
        return [line for line in complaints if "ignoring error" in line]

    def check(self) -> list[str]:
        """`restic check --read-data`: what is damaged, one line each; empty when all is well."""
        done = self._call("check", "--read-data", ok=(0, 1))
        if done.code == 0:
            return []
        lines = [line.strip() for line in done.said.splitlines() if line.strip()]
        bad = [line for line in lines if re.search(r"\b[0-9a-f]{8,64}\b", line)]
        if not bad:
            raise ResticError(self._sentence(done.said))
        return bad

    # The process

    def _read_only(self) -> bool:
        """Whether the repository is here and its disk takes no writes."""
        if self.path is None or not self.exists():
            return False
        return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)

    def _spawn(self, argv: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        env = kept | {"RESTIC_PROGRESS_FPS": "1", "LC_ALL": "C.UTF-8"} | dict(self.environment)
        command = [*GENTLY, "restic", "--password-file", str(self.password_file)]
        read_only = self._read_only()
        if read_only and argv[0] not in READS:  # restic would try again for most of a minute
            raise ResticError(self._sentence("read-only file system"))
        if read_only or argv[0] in LISTS:
            command.append("--no-lock")
        if self.path:  # needs no second copy of its index
            command += ["--repo", str(self.path), "--no-cache"]
            return subprocess.Popen([*command, *argv], env=env, **streams)
        address = os.memfd_create("address")
        try:
            os.write(address, self.location.encode())
            os.lseek(address, 0, os.SEEK_SET)
            where = ["--repository-file", f"/dev/fd/{address}", "--cache-dir", f"{self.home}/cache"]
            return subprocess.Popen(
                [*command, *where, *argv], env=env, pass_fds=[address], **streams
            )
        finally:
            os.close(address)

    def _call(
        self,
        *argv: str,
        ok: Sequence[int] = (0,),
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> _Done:
        def run() -> _Done:
            if stdin is not None:
                stdin.seek(0)
            if stdout is not None:
                stdout.seek(0)
                stdout.truncate()
            done = self._run(argv, stdin, stdout)
            if LOCKED in done.said and done.code not in (0, 3):
                raise _Locked(self._sentence(done.said))
            return done

        done = self._unlocked(run)
        if done.code not in ok:
            raise ResticError(self._sentence(done.said))
        return done

    def _unlocked(self, call: Callable[[], T]) -> T:
        """Call, and again as soon as a lock in the way is found to be a dead process's; and once
        more when restic hung."""
        deadline = time.monotonic() + LOCK_SECONDS
        hung = False
        while True:
            try:
                return call()
            except _Locked:
                if time.monotonic() > deadline:
                    raise
            except _StillError:  # what it could not say then, it says the second time
                if hung:
                    raise
                hung, deadline = True, time.monotonic() + LOCK_SECONDS
            # Removes only locks whose process is gone; one just killed is so a moment later.
            self._run(("unlock",), None, None)
            time.sleep(0.2)

    @contextmanager
    def _watched(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Ends a restic that hangs, and raises _StillError then. It may rightly wait for a server,
        and is left alone there."""
        if self.path is None:
            yield
            return
        with ended_when_still(process) as still:
            yield
        if still.is_set():
            raise _StillError(
                "restic stood still and was ended; see that the disk of "
                f"{self.shown} has room, and run again. What was saved before stays valid"
            )

    def _run(self, argv: Sequence[str], stdin: IO[bytes] | None, stdout: IO[bytes] | None) -> _Done:
        output = []
        with tempfile.TemporaryFile() as said:
            process = self._spawn(
                argv,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.PIPE,
                stderr=said,
            )
            with self._watched(process):
                if process.stdout is not None:
                    for line in process.stdout:
                        if not self._tell(line):
                            output.append(line.decode(errors="replace"))
                code = process.wait()
            text = "".join(output)
            return _Done(code, _json_lines(text), text, _text(said))

    def _tell(self, line: bytes) -> bool:
        """Whether the line is one of restic's about how far it is; then it is passed on."""
        if not line.startswith(b'{"message_type":"status"'):
            return False
        status = json.loads(line)
        done, total = status.get("bytes_done", 0), status.get("total_bytes", 0)
        # Of a stream restic knows no end.
        self.amount(f"{done / 1e6:.0f}{f' of {total / 1e6:.0f}' if total > done else ''} MB")
        return True

    def _sentence(self, said: str) -> str:
        lines = [line for line in said.strip().splitlines() if line.strip()]
        last = lines[-1].removeprefix("Fatal: ") if lines else "it said nothing"
        first = lines[0].removeprefix("Fatal: ") if lines else last
        if self.path is None and AWAY.search(said):
            return f"{self.shown} cannot be reached; see that its server runs ({first})"
        if self.path is None and REFUSED.search(said):
            return f"{self.shown} refuses us; see user and password of its server ({first})"
        for mark, sentence in (
            (
                "wrong password or no key found",
                f"the password in {self.password_file} does not open {self.shown}; put your copy "
                "of the right one there",
            ),
            (
                "Resolving password failed",
                f"the password file {self.password_file} is not here; put your copy of it there",
            ),
            (
                "no space left on device",
                f"the disk of {self.shown} is full; make room and run again. What was saved before "
                "stays valid",
            ),
            (
                "read-only file system",
                f"{self.shown} is on a file system that is read-only; mount it writable",
            ),
            ("permission denied", f"{self.shown} may not be written ({last}); see its owner"),
            (NO_REPOSITORY, f"there is no backup at {self.shown}; see `backup_repository`"),
            (LOCKED, f"another restic works on {self.shown} ({last}); wait for it and run again"),
        ):
            if mark in said:
                return sentence
        return f"restic: {last}"


class _StillError(ResticError):
    """restic hung, and was ended."""


class _Locked(ResticError):
    """Somebody's lock is in the way, perhaps that of a process long gone."""


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


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _json_lines(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        if line.startswith('{"'):  # not what `cat config` prints, over several lines
            found.append(json.loads(line))
    return found


def _saved(done: _Done) -> Saved:
    summary = next(item for item in done.lines if item.get("message_type") == "summary")
    unread = tuple(
        str(item["item"])
        for item in _json_lines(done.said)
        if item.get("message_type") == "error" and item.get("item")
    )
    return Saved(
        snapshot=summary["snapshot_id"],
        bytes=summary["total_bytes_processed"],
        added=summary["data_added"],
        unread=unread,
    )
