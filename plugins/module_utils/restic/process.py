"""Runs restic on one repository: password, retries, timeouts, error messages.

Neither the password nor a remote repository's address (which may hold a password of its own) is
ever an argument or in the environment: restic reads the one from its file, the other from memory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from .standstill import killed_when_hung

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
# A first backup keeps every core busy, a tenth of that with collecting 100 MB of garbage over and
# over (docs/decisions/first-backup.md). Not for the others: their memory grows with the repository.
HASTE = {"GOGC": "400"}
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


class HungError(ResticError):
    """restic hung, and was killed."""


class LockedError(ResticError):
    """The repository is locked, perhaps by a process that no longer runs."""


@dataclass(frozen=True)
class Done:
    """The result of restic: exit code, lines of JSON, other output, and standard error."""

    code: int
    lines: list[dict[str, Any]]
    output: str
    said: str


@dataclass(frozen=True)
class Repository:
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

    def exists(self) -> bool:
        """Whether there is a repository. Raises ResticError when that cannot be told."""
        if self.path is not None:
            return (self.path / "config").exists()
        if not self.password_file.exists():
            return False
        done = self.call("cat", "config", ok=(0, 1))
        if done.code == 0:
            return True
        if NO_REPOSITORY in done.said and not (AWAY.search(done.said) or REFUSED.search(done.said)):
            return False
        raise ResticError(self.sentence(done.said))

    def _read_only(self) -> bool:
        """Whether the repository is here and its disk takes no writes."""
        if self.path is None or not self.exists():
            return False
        return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)

    def spawn(self, argv: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        """Start restic. The caller waits for its end and reads its output."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        env = kept | {"RESTIC_PROGRESS_FPS": "1", "LC_ALL": "C.UTF-8"}
        env |= (HASTE if argv[0] == "backup" else {}) | dict(self.environment)
        command = [*GENTLY, "restic", "--password-file", str(self.password_file)]
        read_only = self._read_only()
        if read_only and argv[0] not in READS:  # restic would try again for most of a minute
            raise ResticError(self.sentence("read-only file system"))
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

    def call(
        self,
        *argv: str,
        ok: Sequence[int] = (0,),
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> Done:
        """Run to the end. Raises ResticError, with a sentence, for an exit code not in `ok`."""

        def run() -> Done:
            if stdin is not None:
                stdin.seek(0)
            if stdout is not None:
                stdout.seek(0)
                stdout.truncate()
            done = self._run(argv, stdin, stdout)
            if LOCKED in done.said and done.code not in (0, 3):
                raise LockedError(self.sentence(done.said))
            return done

        done = self.unlocked(run)
        if done.code not in ok:
            raise ResticError(self.sentence(done.said))
        return done

    def unlocked(self, call: Callable[[], T]) -> T:
        """Call, and again as soon as a lock in the way is found to be a dead process's; and once
        more when restic hung."""
        deadline = time.monotonic() + LOCK_SECONDS
        hung = False
        while True:
            try:
                return call()
            except LockedError:
                if time.monotonic() > deadline:
                    raise
            except HungError:  # what it could not say then, it says the second time
                if hung:
                    raise
                hung, deadline = True, time.monotonic() + LOCK_SECONDS
            # Removes only locks whose process is gone; one just killed is so a moment later.
            self._run(("unlock",), None, None)
            time.sleep(0.2)

    @contextmanager
    def watched(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Ends a restic that hangs, and raises HungError then. It may rightly wait for a server,
        and is left alone there."""
        if self.path is None:
            yield
            return
        with killed_when_hung(process) as still:
            yield
        if still.is_set():
            raise HungError(
                "restic stood still and was ended; see that the disk of "
                f"{self.shown} has room, and run again. What was saved before stays valid"
            )

    def _run(self, argv: Sequence[str], stdin: IO[bytes] | None, stdout: IO[bytes] | None) -> Done:
        output = []
        with tempfile.TemporaryFile() as said:
            process = self.spawn(
                argv,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.PIPE,
                stderr=said,
            )
            with self.watched(process):
                if process.stdout is not None:
                    for line in process.stdout:
                        if not self.tell(line):
                            output.append(line.decode(errors="replace"))
                code = process.wait()
            text = "".join(output)
            return Done(code, json_lines(text), text, text_of(said))

    def tell(self, line: bytes) -> bool:
        """Whether the line is one of restic's about how far it is; then it is passed on."""
        if not line.startswith(b'{"message_type":"status"'):
            return False
        status = json.loads(line)
        done, total = status.get("bytes_done", 0), status.get("total_bytes", 0)
        # Of a stream restic knows no end.
        self.amount(f"{done / 1e6:.0f}{f' of {total / 1e6:.0f}' if total > done else ''} MB")
        return True

    def sentence(self, said: str) -> str:
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


def text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def json_lines(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        if line.startswith('{"'):  # not what `cat config` prints, over several lines
            found.append(json.loads(line))
    return found
