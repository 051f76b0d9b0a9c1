"""The figures of a bench: each judged where it has a limit, printed, and kept in var/bench."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "var" / "bench"


def figure(value: float, unit: str, limit: float | None = None) -> dict[str, Any]:
    holds = None if limit is None else value <= limit
    return {"value": round(value, 3), "unit": unit, "limit": limit, "holds": holds}


def write(name: str, server_version: str, figures: dict[str, Any]) -> None:
    """Print the figures, and write var/bench/<name>.json."""
    for what, found in figures.items():
        print(f"{what:40} {found['value']:8.3f} {found['unit']:10} {_verdict(found)}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, LiveKit Server {server_version}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    report = {"name": name, "machine": machine, "figures": figures}
    (FOLDER / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")


def _verdict(found: dict[str, Any]) -> str:
    if found["limit"] is None:
        return ""
    return f"<= {found['limit']:.1f} {'holds' if found['holds'] else 'DOES NOT HOLD'}"
