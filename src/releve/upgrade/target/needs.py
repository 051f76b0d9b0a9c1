"""What a target's packages need of others. Run by a target's own Python."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def installed() -> dict[str, dict[str, Any]]:
    """Every distribution that a livekit one needs: its version, and what it asks of others."""
    found: dict[str, dict[str, Any]] = {}
    there = {
        canonicalize_name(dist.metadata["Name"]): dist
        for dist in importlib.metadata.distributions()
    }
    waiting = [(name, "") for name in there if name.startswith("livekit")]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen or name not in there:
            continue
        seen.add((name, extra))
        told = found.setdefault(
            name,
            {
                "version": there[name].version,
                "needs": [],
                "python": there[name].metadata["Requires-Python"],
            },
        )
        for text in there[name].requires or ():
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": extra}):
                continue
            other = canonicalize_name(need.name)
            if name.startswith("livekit-agents") and other.startswith("livekit-plugins"):
                continue  # its extras are the plugins
            line = f"{other}{need.specifier}"
            if line not in told["needs"]:
                told["needs"].append(line)
            waiting += [(other, one) for one in ("", *need.extras)]
    return found
