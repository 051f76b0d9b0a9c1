"""One backup of a stack into a restic repository.

A run makes one snapshot of the files (tag `files`), which names by tags all that belongs to it,
and one per tree whose writers were paused (tag `volume`). Images that were not held yet are one
more (tag `image`), which later runs share. The files' snapshot is written last: a run without it
has not happened, and what it left behind is found again by content.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..restic.repository import Restic, Saved
from .archive import DOCUMENT, IMAGES_FILE
from .contents import BackupError, Contents, Image, Tree, real_sources
from .disk_space import existing
from .document import document, page
from .pause import flush_database, paused
from .repository_lock import alone
from .retention import FILES, IMAGE, VOLUME, WARM, Keep, images_held, orphans, runs, unix_time
from .survey import Survey, survey

MARGIN = 64 * 1024 * 1024  # bytes; indexes, locks and the like


@dataclass(frozen=True)
class Plan:
    """What a backup would do: images to save, images held already, bytes it may need at most
    (nothing is assumed of compression), bytes free (None: a remote repository)."""

    missing: tuple[Image, ...]
    held: tuple[Image, ...]
    needed: int
    free: int | None
    before: Survey
    snapshots: list[dict[str, Any]]


@dataclass(frozen=True)
class _PausedTree:
    """A tree that was saved while its writers were paused: its snapshot, files that changed anyway,
    and what is told of it."""

    saved: Saved
    torn: list[str]
    told: dict[str, Any]


@dataclass(frozen=True)
class Backup:
    """The worker. `scratch` is a folder in memory if there is one: the definitions, which hold
    secrets, lie there while they are saved."""

    client: Any
    stack: str
    run: str
    contents: Contents
    restic: Restic
    scratch: Path
    keep: Keep = field(default_factory=Keep)

    def plan(self) -> Plan:
        """What a backup would do. Changes nothing. Raises BackupError, ResticError."""
        self._refuse_nesting()
        snapshots = self.restic.snapshots() if self.restic.exists() else []
        held = images_held(snapshots)
        missing = tuple(image for image in self.contents.images if image.id not in held)
        before = _survey(self.contents.trees)
        earlier = runs(snapshots)
        known = {path for item in snapshots for path in item["paths"]}
        since = unix_time(earlier[-1]["time"]) - 1 if earlier else 0
        new = before.newer(since, known) if earlier else before.bytes
        path = self.restic.path
        return Plan(
            missing=missing,
            held=tuple(image for image in self.contents.images if image.id in held),
            needed=new + sum(image.bytes for image in missing) + MARGIN,
            free=shutil.disk_usage(existing(path)).free if path else None,
            before=before,
            snapshots=snapshots,
        )

    def go(self) -> dict[str, Any]:
        """Back up; its figures. Raises BackupError, ResticError: then there is no backup."""
        began = time.monotonic()
        with alone(self.restic.home, self.run):
            plan = self.plan()
            refuse_without_room(plan, self.restic)
            self.restic.ensure()
            free = [tree for tree in self.contents.trees if not (tree.databases or tree.writers)]
            busy = [tree for tree in self.contents.trees if tree.databases or tree.writers]
            images, warm = self._save_images(plan.missing, busy)
            quiet = [self._save_paused(tree, warm) for tree in busy]
            volumes = [item.saved for item in quiet]
            pauses = [item.told for item in quiet]
            files, torn = self._save_files(plan, free, volumes, pauses, warm)
            saved = [*images, *volumes, files]
            self._retain(plan, warm)
        return {
            "snapshot": files.snapshot,
            "bytes": sum(image.bytes for image in self.contents.images)
            + sum(item.bytes for item in saved[len(images) :]),
            "added_bytes": sum(item.added for item in [*saved, *warm]),
            "seconds": round(time.monotonic() - began, 3),
            "images_saved": [image.id for image in plan.missing],
            "images_held": [image.id for image in plan.held],
            "paused": pauses,
            "torn": sorted([*torn, *(path for item in quiet for path in item.torn)]),
            "left_out": [{"path": path, "reason": why} for path, why in self.contents.left_out],
            # Not whether the password is: the run that made it may have failed before it was told.
            "first": not runs(plan.snapshots),
        }

    def _refuse_nesting(self) -> None:
        if self.restic.path is None:
            return
        repository = Path(os.path.realpath(self.restic.path))
        for tree in self.contents.trees:
            if repository.is_relative_to(tree.path):
                raise BackupError(
                    f"the repository {repository} lies in {tree.path}, which is backed up and can "
                    "be lost with it; set `backup_repository` to a place outside"
                )

    def _save_images(
        self, missing: Sequence[Image], busy: Sequence[Tree]
    ) -> tuple[list[Saved], list[Saved]]:
        """All in one stream: the engine tells layers that they share only once. One thread of
        restic's cuts a stream into pieces, so the files are read beside it, ahead of their turn;
        without images only those are whose writers will have to stand still."""
        ahead = [tree.path for tree in (self.contents.trees if missing else busy)]
        ids = [image.id for image in missing]
        names = ", ".join(image.names[0] for image in missing if image.names)
        quiet = replace(self.restic, amount=lambda text: None) if missing else self.restic
        # Should one of the two fail, the other goes on to its end: the next run finds what it read.
        with ThreadPoolExecutor(1) as other:
            warming = other.submit(quiet.backup, ahead, [WARM, self.run]) if ahead else None
            images = []
            if missing:
                self.restic.progress(f"images {names}")
                command = ["docker", "save", *ids]
                images.append(self.restic.save(command, IMAGES_FILE, [IMAGE, self.run, *ids]))
            self.restic.progress("files, ahead")
            return images, [warming.result()] if warming else []

    def _save_paused(self, tree: Tree, warm: Sequence[Saved]) -> _PausedTree:
        """What changed since it was read ahead, while its writers stand still. Databases that have
        saved themselves and containers with calls write on: then it is watched for that."""
        self.restic.progress(f"{tree.kind} {tree.name}")
        flushed = [name for name in tree.databases if flush_database(self.client, name)]
        still = sorted({*tree.writers, *tree.databases} - {*flushed})
        watched = [tree] if flushed or tree.talking else []
        with paused(still) as pause:
            tags, before = [VOLUME, self.run], _survey(watched)
            saved, torn = self._save_unpaused([tree.path], tags, _parent(warm), watched, before)
        told = {
            "volume": tree.name,
            "containers": still,
            "seconds": round(pause.seconds, 3),
            "saved_themselves": flushed,
        }
        return _PausedTree(saved, torn, told)

    def _save_files(
        self,
        plan: Plan,
        trees: Sequence[Tree],
        volumes: Sequence[Saved],
        pauses: list[Any],
        warm: Sequence[Saved],
    ) -> tuple[Saved, list[str]]:
        self.restic.progress("files")
        belonging = [image.id for image in self.contents.images]
        belonging += [f"volume:{saved.snapshot}" for saved in volumes]
        with self._document(plan, pauses) as folder:
            paths = [*(tree.path for tree in trees), str(folder)]
            tags = [FILES, self.run, *belonging]
            before = _survey(trees) if warm else plan.before
            return self._save_unpaused(paths, tags, _parent(warm), trees, before)

    def _save_unpaused(
        self,
        paths: Sequence[str],
        tags: Sequence[str],
        parent: str,
        watched: Sequence[Tree],
        before: Survey,
    ) -> tuple[Saved, list[str]]:
        """Twice when files of the watched trees moved since `before`; the second time only those
        are read again. What moves even then is returned as perhaps torn."""
        saved = self._whole(self.restic.backup(paths, tags, parent))
        after = _survey(watched)
        if not before.moved(after):
            return saved, []
        again = self._whole(self.restic.backup(paths, tags, saved.snapshot))
        torn = after.moved(_survey(watched))
        self.restic.forget(saved.snapshot)
        return Saved(again.snapshot, again.bytes, saved.added + again.added), torn

    @contextlib.contextmanager
    def _document(self, plan: Plan, pauses: list[Any]) -> Iterator[Path]:
        folder = self.scratch / DOCUMENT
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        taken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        found = document(self.client, self.contents, self.run, taken, self.restic.version())
        found |= {"stack": self.stack, "paused": pauses}
        parts = {
            "versions.json": json.dumps(found, indent=2) + "\n",
            "versions.md": page(found),
            "definitions.json": json.dumps(
                asdict(self.contents)
                | {
                    "sparse": plan.before.sparse,
                    "sizes": {
                        tree.path: plan.before.apparent(tree.path) for tree in self.contents.trees
                    },
                    "real": real_sources(self.contents),
                }
            ),
        }
        try:
            for name, text in parts.items():
                handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
            yield folder
        finally:
            shutil.rmtree(folder)

    def _whole(self, saved: Saved) -> Saved:
        """Ignore files that vanished. Raises BackupError for a file that cannot be read."""
        lost = [path for path in saved.unread if os.path.lexists(path)]
        if lost:
            self.restic.forget(saved.snapshot)
            raise BackupError(f"{len(lost)} files cannot be read, the first is {lost[0]}")
        return saved

    def _retain(self, plan: Plan, warm: Sequence[Saved]) -> None:
        """Forget the runs beyond the limits, then whatever no run refers to any more."""
        self.restic.progress("retention")
        ahead = [saved.snapshot for saved in warm]
        snapshots = plan.snapshots
        dropped = 0
        if len(runs(snapshots)) >= self.keep.last:
            self.restic.keep(FILES, self.keep.last, self.keep.daily, self.keep.weekly)
            snapshots = [item for item in self.restic.snapshots() if item["short_id"] not in ahead]
            dropped = len(runs(plan.snapshots)) + 1 - len(runs(snapshots))
        lost = orphans(snapshots)
        if lost or ahead:
            self.restic.forget(*lost, *ahead)
        # What was read ahead is nearly all in the backup: it is not worth pruning for.
        if lost or dropped:
            self.restic.prune()


def refuse_without_room(plan: Plan, restic: Restic) -> None:
    """Raises BackupError before anything is written."""
    if plan.free is not None and plan.free < plan.needed:
        raise BackupError(
            f"the disk of {restic.shown} has {plan.free / 1e6:.0f} MB free and this backup may "
            f"need {plan.needed / 1e6:.0f} MB; make room or set `backup_repository`. Nothing was "
            "written"
        )


def _survey(trees: Sequence[Tree]) -> Survey:
    return survey(tree.path for tree in trees)


def _parent(warm: Sequence[Saved]) -> str:
    return warm[0].snapshot if warm else ""
