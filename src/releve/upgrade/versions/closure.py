"""What a target's packages need of others, and the versions that were there when it was new."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from releve.upgrade.target.signatures import Target

NEED = re.compile(r"([a-z0-9-]+)(.*)")
LEAST = re.compile(r">=\s*3\.(\d+)")
OLDEST = 9  # livekit-agents 1.1.3 wants Python 3.9
CORE = ("livekit", "livekit-api", "livekit-protocol", "livekit-agents")
ENDED = ("<", "~=", "==")  # a need that says so leaves nothing open


class Closure:
    """The packages that some of LiveKit's bring along, in one target."""

    def __init__(self, target: Target, names: Iterable[str]) -> None:
        self.target = target
        self._needs: dict[str, list[SpecifierSet]] = {}
        self.versions: dict[str, str] = {}
        waiting = sorted(names)
        while waiting:
            name = waiting.pop()
            told = target.installed.get(name)
            if told is None or name in self.versions:
                continue
            self.versions[name] = told["version"]
            for text in told["needs"]:
                need = NEED.fullmatch(text)
                if need is not None:
                    self._needs.setdefault(need[1], []).append(SpecifierSet(need[2]))
                    waiting.append(need[1])

    def refuses(self, name: str, specifier: str) -> bool:
        """Whether what is asked of a package leaves no version that the others take: an exact one
        is held against what they need, a range against the version that was there."""
        asked = SpecifierSet(specifier)
        exact = [one.version for one in asked if one.operator in ("==", "===")]
        if exact and "*" not in exact[0]:
            return any(
                not need.contains(exact[0], prereleases=True) for need in self._needs.get(name, ())
            )
        return bool(specifier) and not asked.contains(self.versions[name], prereleases=True)

    def line(self, name: str) -> str:
        """As a line of a requirements file; on a Python that it does not support it is left open."""
        least = LEAST.search(self.target.installed[name]["python"] or "")
        above = least is not None and int(least[1]) > OLDEST
        marker = f'; python_version >= "3.{least[1]}"' if least is not None and above else ""
        return f"{name}=={self.versions[name]}{marker}"

    def entry(self, name: str) -> str:
        """As a line of Poetry's table."""
        line, _, marker = self.line(name).partition("; python_version ")
        version = f'"{line.partition("==")[2]}"'
        python = marker.replace('"', "").replace(" ", "")
        return (
            f'{name} = {{ version = {version}, python = "{python}" }}'
            if marker
            else f"{name} = {version}"
        )

    def open(self) -> list[str]:
        """LiveKit's own packages, and those of others of which theirs take any later version."""
        found = {name for name in self.versions if name.startswith("livekit")}
        for owner in sorted(found):
            for text in self.target.installed[owner]["needs"]:
                need = NEED.fullmatch(text)
                if need and need[1] in self.versions and not any(e in need[2] for e in ENDED):
                    found.add(need[1])
        return sorted(
            found, key=lambda name: (name not in CORE, not name.startswith("livekit"), name)
        )


def requirement(line: str) -> tuple[str, str] | None:
    """The normal name and the specifier of a line of a requirements file."""
    text = re.split(r"\s#|--", line.strip())[0].strip().rstrip("\\")
    try:
        told = Requirement(text)
    except InvalidRequirement:
        return None
    return None if told.url else (canonicalize_name(told.name), str(told.specifier))
