"""Versions: requirements files and pyproject.toml rewritten to the target's, others flagged."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from releve.upgrade.model import CannotParse, Note, Rule, Upgraded
from releve.upgrade.target.signatures import Target, load
from releve.upgrade.versions.beside import PIN_BESIDE, normal, pin_beside

PIN = Rule(
    "pin",
    "versions",
    "livekit==0.11.1, livekit-agents==0.7.2, livekit-api==0.5.1, livekit-plugins-openai==0.6.0",
    "livekit==1.0.10, livekit-agents==1.1.3, livekit-api==1.0.3, livekit-plugins-openai==1.1.3",
    True,
    "in requirements*.txt and .in, setup.py, setup.cfg, and pyproject.toml of PEP 621, PEP 735 and Poetry; "
    "extras, markers and comments are kept, and so is a version that is 1 or later already",
)
PIN_BY_HAND = Rule(
    "pin-by-hand",
    "versions",
    "a lock, a Pipfile, an environment.yml or a Dockerfile that tells versions, an address of git in place of a "
    "version, a plugin that has no 1.1.3",
    "make the lock again from its source; install from the requirements file; write the target's version",
    False,
    "what is generated or built elsewhere is not edited here",
)
RULES = (PIN, PIN_BESIDE, PIN_BY_HAND)

_NAME = r"(?P<name>livekit(?:[-_.][a-z0-9]+)*)(?P<extras>\s*\[[^\]]*\])?"
_ONE = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[^;#'\",\s\\]+"
_VERSION = rf"(?P<version>{_ONE}(?:\s*,{_ONE})*)?"
_FLAGS = re.IGNORECASE
REQUIREMENT = re.compile(rf"^(?P<before>\s*){_NAME}{_VERSION}(?P<after>\s*(?:[;#\\].*)?)$", _FLAGS)
LOCKED = re.compile(rf"\s*{_NAME}{_VERSION}(?![-\w])", _FLAGS)
QUOTED = re.compile(rf"(?P<before>[\"']){_NAME}{_VERSION}(?P<after>\s*(?:;[^\"']*)?[\"'])", _FLAGS)
POETRY = re.compile(
    r"^(?P<before>\s*[\"']?)(?P<name>livekit(?:[-_.][a-z0-9]+)*)"
    r"(?P<is>[\"']?\s*=\s*(?:\{.*?version\s*=\s*)?[\"'])(?P<version>[^\"']*)(?P<after>[\"'].*)$",
    _FLAGS,
)
TABLE = re.compile(r"^\s*\[+(?P<table>[^\]]+)\]+")
TABLE_VERSION = re.compile(
    r"^(?P<before>\s*)(?P<is>version\s*=\s*[\"'])(?P<version>[^\"']*)(?P<after>.*)$"
)
INSTALLED = re.compile(
    r"\blivekit[a-z-]*[\"']?\s*(\[[^\]]*\])?\s*(?:=\s*[\"'])?(?P<version>(==|~=|<=|>=|<|>|=)\s*[\"']?[\d.*]+)",
    _FLAGS,
)
LOCK_ENTRY = re.compile(r"^name\s*=\s*[\"'](?P<name>livekit[-\w.]*)[\"']", _FLAGS)
LOCK_VERSION = re.compile(r"^version\s*=\s*[\"'](?P<version>[^\"']*)[\"']")
# An address in place of a version: `name @ git+https://…`, `name = { git = "…" }`.
ADDRESS = re.compile(
    r"\blivekit[-\w.]*[\"']?(\[[^\]]*\])?\s*(@\s*(git\+|https?:|ssh:|file:)|=\s*\{.*\b(git|url|path)\s*=)"
    r"|git\+\S*livekit/(agents|python-sdks)",
    _FLAGS,
)
V1 = re.compile(r"\s*(?:===|==|~=|>=|>|\^|~|=)?\s*v?[1-9]")  # what begins so is v1 already


def kind_of(name: str) -> str | None:
    """How a file of that name tells versions; None when it does not."""
    if name in ("pyproject.toml", "setup.py"):
        return name.partition(".")[0]
    if name in ("poetry.lock", "uv.lock", "pdm.lock"):
        return "lock"
    if name == "setup.cfg":
        return "requirements"
    if re.fullmatch(r"(.*[-_.])?(requirements|constraints)([-_.].*)?\.(txt|in)", name):
        return "requirements"
    return (
        "dockerfile"
        if re.fullmatch(
            r"Dockerfile(\..*)?|.*\.Dockerfile|Containerfile|Pipfile|environment\.ya?ml", name
        )
        else None
    )


def upgrade(source: bytes, kind: str, target: Target | None = None) -> Upgraded:
    """What becomes of such a file. Raises CannotParse when it cannot be read."""
    target = target or load()
    try:
        lines = source.decode().splitlines(keepends=True)
        bare = _bare(tomllib.loads(source.decode())) if kind == "pyproject" else set()
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotParse(f"cannot be read ({error})") from error
    if kind == "dockerfile":
        flags = tuple(
            Note(
                i, PIN_BY_HAND, "install from the requirements file, or write the target's versions"
            )
            for i, line in enumerate(lines, 1)
            if (found := INSTALLED.search(line)) and not _is_v1(found["version"])
        )
        return Upgraded(source, source, (), flags, flags)
    if kind == "lock":
        return _locked_by_name(source, lines, target)
    if any("--hash=" in line for line in lines):
        return _locked(source, lines, target)
    notes: list[Note] = []
    table = ""
    done: list[str] = []
    for number, line in enumerate(lines, 1):
        if kind == "pyproject" and (header := TABLE.match(line)):
            table = header["table"].replace('"', "")
        done.append(_line(line, number, kind, notes, table, bare, target))
    if any(note.rule is PIN for note in notes):
        ini = kind == "requirements" and any(line.startswith("[") for line in lines)
        pin_beside(done, "cfg" if ini else kind, notes, target)
    rewrites = tuple(note for note in notes if note.rule is not PIN_BY_HAND)
    flags = tuple(note for note in notes if note.rule is PIN_BY_HAND)
    left = tuple(
        Note(1 + "".join(done[: note.line - 1]).count("\n"), note.rule, note.advice)
        for note in flags
    )
    return Upgraded(source, "".join(done).encode(), rewrites, flags, left)


def _locked(source: bytes, lines: list[str], target: Target) -> Upgraded:
    flags = tuple(
        Note(
            number,
            PIN_BY_HAND,
            f"a lock with hashes: make it again with {found['name']}=={version}",
        )
        for number, line in enumerate(lines, 1)
        if (found := LOCKED.match(line))
        and (version := target.versions.get(normal(found["name"]))) is not None
        and not _is_v1(found["version"])
    )
    return Upgraded(source, source, (), flags, flags)


def _locked_by_name(source: bytes, lines: list[str], target: Target) -> Upgraded:
    """A lock in TOML: a package's name, and its version in the next line."""
    flags = []
    for number, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True), 1):
        name, told = LOCK_ENTRY.match(line), LOCK_VERSION.match(after)
        if (
            name
            and told
            and not _is_v1(told["version"])
            and normal(name["name"]) in target.versions
        ):
            advice = (
                f"make the lock again with {name['name']}=={target.versions[normal(name['name'])]}"
            )
            flags.append(Note(number, PIN_BY_HAND, advice))
    return Upgraded(source, source, (), tuple(flags), tuple(flags))


def _is_v1(version: str | None) -> bool:
    return bool(version and V1.match(version))


def _bare(project: dict[str, Any]) -> set[str]:
    """Dependencies without a version, unless something else in the file is called so, too."""
    own = project.get("project", {})
    lists = [own.get("dependencies", []), *own.get("optional-dependencies", {}).values()]
    lists += project.get("dependency-groups", {}).values()
    told = {name for names in lists for name in names if isinstance(name, str)}
    return told - {own.get("name"), *own.get("keywords", [])}


def _line(
    line: str, number: int, kind: str, notes: list[Note], table: str, bare: set[str], target: Target
) -> str:
    text, end = line.rstrip("\r\n"), line[len(line.rstrip("\r\n")) :]
    if not text.lstrip().startswith("#") and ADDRESS.search(text):
        notes.append(
            Note(number, PIN_BY_HAND, "an address: write the target's version in its place")
        )
        return line
    if kind == "requirements":
        found = REQUIREMENT.match(text)
        return (_pinned(found, number, notes, target) + end) if found else line
    if text.lstrip().startswith("#"):
        return line
    poetry = POETRY.match(text) if table.endswith("dependencies") else None
    home, _, package = table.rpartition(".")
    own = TABLE_VERSION.match(text) if home.endswith("dependencies") else None
    if own and (version := target.versions.get(normal(package))) and not _is_v1(own["version"]):
        notes.append(Note(number, PIN, f"{package} {version}"))
        return f"{own['before']}{own['is']}{version}{own['after']}{end}"
    if poetry and normal(poetry["name"]) in target.versions:
        version = target.versions[normal(poetry["name"])]
        if not _is_v1(poetry["version"]):
            notes.append(Note(number, PIN, f"{poetry['name']} {version}"))
            return (
                f"{poetry['before']}{poetry['name']}{poetry['is']}{version}{poetry['after']}{end}"
            )
        return line

    def pinned(quoted: re.Match[str]) -> str:
        # Without a version it may be a keyword, or the project's own name.
        told = quoted["version"] or quoted["extras"] or quoted[0][1:-1] in bare
        return _pinned(quoted, number, notes, target) if told else quoted[0]

    return QUOTED.sub(pinned, text) + end


def _pinned(found: re.Match[str], number: int, notes: list[Note], target: Target) -> str:
    name, whole = normal(found["name"]), found[0]
    version = target.versions.get(name)
    if version is None:
        if name.startswith("livekit-plugins-"):
            notes.append(
                Note(
                    number,
                    PIN_BY_HAND,
                    f"{name} has no {target.version}: find out what took its place",
                )
            )
        return whole
    if _is_v1(found["version"]):
        return whole
    notes.append(Note(number, PIN, f"{name}=={version}"))
    return f"{found['before']}{found['name']}{found['extras'] or ''}=={version}{found['after']}"
