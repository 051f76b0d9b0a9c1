"""The figures of a bench: each judged where it has a limit, printed, and kept in var/bench."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "var" / "bench"


def figure(
    value: float, unit: str, at_most: float | None = None, at_least: float | None = None
) -> dict[str, Any]:
    """One figure; without a limit it is there to be seen."""
    holds = None
    if at_most is not None:
        holds = value <= at_most
    elif at_least is not None:
        holds = value >= at_least
    limit = at_most if at_most is not None else at_least
    return {"value": round(value, 3), "unit": unit, "limit": limit, "holds": holds}


def write(name: str, versions: str, figures: dict[str, Any]) -> None:
    """Print the figures, write var/bench/<name>.json, and exit 1 when a limit does not hold.

    `versions`: what was measured, as people name it.
    """
    for what, found in figures.items():
        print(f"{what:44} {found['value']:14.3f} {found['unit']:16} {_verdict(found)}".rstrip())
    out = keep(name, {"machine": machine(versions), "figures": figures})
    if any(found["holds"] is False for found in figures.values()):
        raise SystemExit(f"a limit does not hold; see {out.relative_to(FOLDER.parents[1])}")


def keep(name: str, report: dict[str, Any]) -> Path:
    """Write var/bench/<name>.json."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    out = FOLDER / f"{name}.json"
    out.write_text(json.dumps({"name": name} | report, indent=2) + "\n", encoding="utf-8")
    return out


def machine(versions: str) -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, {versions}"


def _verdict(found: dict[str, Any]) -> str:
    if found["limit"] is None:
        return ""
    return f"limit {found['limit']:g} {'holds' if found['holds'] else 'DOES NOT HOLD'}"
