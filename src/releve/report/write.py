"""Writes a run's report beside its evidence."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from releve.report import evidence
from releve.report.build import build
from releve.report.formats import html, junit
from releve.report.schema import Report


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and one sentence for each segment of evidence that could not be used."""

    report: Report
    page: Path
    problems: list[str]


def write(run_dir: Path) -> Written:
    """Write report.json, report.html and junit.xml into `run_dir`; point ../latest at it.

    Raises OSError when a file cannot be written.
    """
    found = evidence.read(run_dir)
    report = build(found)
    page = run_dir / "report.html"
    _replace(run_dir / "report.json", report.to_json().encode())
    _replace(page, html.render(report, found).encode())
    _replace(run_dir / "junit.xml", junit.render(report))
    _point(run_dir.parent / "latest", run_dir.name)
    return Written(report, page, found.problems)


def _replace(path: Path, content: bytes) -> None:
    """Replace the file atomically."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def _point(link: Path, target: str) -> None:
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
