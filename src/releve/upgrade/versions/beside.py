"""Versions of what LiveKit's packages leave open, and of what a frozen list has too old."""

from __future__ import annotations

import re

from releve.upgrade.model import Note, Rule
from releve.upgrade.target.signatures import Target
from releve.upgrade.versions.closure import Closure, requirement

PIN_BESIDE = Rule(
    "pin-beside",
    "versions",
    "what livekit-agents and its plugins leave open: openai, protobuf and LiveKit's own other packages; "
    "packages of a frozen list that the target does not take",
    "the versions of the time when the target was new, which were tried together",
    True,
    "pip takes the newest of what is left open, which the target was never made for: some fail to import",
)

OURS = re.compile(
    r"(?<![-\w/@])(?P<name>livekit(?:[-_.][a-z0-9]+)*)(?P<extras>\s*\[[^\]]*\])?", re.IGNORECASE
)
IN_QUOTES = re.compile(
    r"(?P<quote>[\"'])livekit[-_]agents\b(?:(?!(?P=quote)).)*==(?:(?!(?P=quote)).)*(?P=quote)"
)
IN_TABLE = re.compile(r"livekit[-_]agents\s*=\s*[\"{]")
EXTRAS = re.compile(r"extras\s*=\s*\[[^\]]*\]|(?<=[\w-])\[[^\]]*\]")
ASKED = re.compile(r"""(?:^[ \t]*|["'])([A-Za-z0-9][\w.-]*)[ \t]*(?=[=<>~!;"'@]|$)""", re.MULTILINE)
TABLE_EXTRAS = re.compile(r"livekit[-_]agents\s*=.*extras\s*=\s*\[([^\]]*)\]")
# A name with its extras, and all that is asked of its version.
PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+(?:[ \t]*\[[^\]]*\])?)[ \t]*"
    r"(?:(?:===|==|~=|!=|<=|>=|<|>)[ \t]*[^;#'\",\s\\]+(?:[ \t]*,[ \t]*)?)+"
)


def pin_beside(lines: list[str], kind: str, notes: list[Note], target: Target) -> None:
    """Pin what the rewritten packages leave open, and what a frozen list has too old."""
    ours = _ours(lines)
    if not any(name == "livekit-agents" or "plugins" in name for name in ours):
        return
    closure = Closure(target, ours & target.installed.keys())
    if kind == "requirements":
        there = _unfrozen(lines, closure, notes)
    else:
        text = EXTRAS.sub("", "".join(lines))
        there = {normal(found[1]) for found in ASKED.finditer(text)}
    missing = [name for name in closure.open() if name not in there]
    put = {"requirements": _appended, "pyproject": _quoted, "setup": _quoted, "cfg": _indented}[
        kind
    ]
    if missing and put(lines, missing, closure):
        note = f"{len(missing)} packages that are left open: {', '.join(missing)}"
        notes.append(Note(min(n.line for n in notes), PIN_BESIDE, note))


def _ours(lines: list[str]) -> set[str]:
    """LiveKit's packages that a file asks for, those that it names as extras, too."""
    ours: set[str] = set()
    for line in lines:
        for found in OURS.finditer(line.partition("#")[0]):
            ours.add(normal(found["name"]))
            extras = (found["extras"] or "").strip(" []").split(",")
            ours |= {f"livekit-plugins-{normal(e.strip())}" for e in extras if e.strip()}
        if table := TABLE_EXTRAS.match(line):
            ours |= {f"livekit-plugins-{normal(e)}" for e in re.findall(r"[\w-]+", table[1])}
    return ours


def _unfrozen(lines: list[str], closure: Closure, notes: list[Note]) -> set[str]:
    """Move what a list has too old or too open; the names of all that it has."""
    told = {number: found for number, line in enumerate(lines) if (found := requirement(line))}
    frozen = any(n in closure.versions and closure.refuses(n, s) for n, s in told.values())
    for number, (name, asked) in told.items():
        if name not in closure.versions or name.startswith("livekit") or not asked:
            continue
        exact = asked.startswith("==")
        left = name in closure.open() and not exact and "<" not in asked
        wanted = f"=={closure.versions[name]}"
        if ((frozen and exact) or left or closure.refuses(name, asked)) and asked != wanted:
            lines[number] = PINNED.sub(rf"\g<name>{wanted}", lines[number], count=1)
            notes.append(Note(number + 1, PIN_BESIDE, f"{name}{wanted}"))
    return {name for name, _ in told.values()}


def _appended(lines: list[str], missing: list[str], closure: Closure) -> bool:
    end = "\r\n" if lines[-1].endswith("\r\n") else "\n"
    if not lines[-1].endswith("\n"):
        lines[-1] += end
    lines.append(
        f"# what livekit-agents {closure.target.version} leaves open, as of its release{end}"
    )
    lines += [f"{closure.line(name)}{end}" for name in missing]
    return True


def _quoted(lines: list[str], missing: list[str], closure: Closure) -> bool:
    """In a list of quoted requirements, or in a table of Poetry's, behind livekit-agents."""
    for number, line in enumerate(lines):
        if found := IN_QUOTES.search(line):
            quote = found["quote"]
            other = "'" if quote == '"' else '"'
            parts = [quote + closure.line(n).replace('"', other) + quote for n in missing]
            before, after = line[: found.end()], line[found.end() :]
            if line.lstrip().startswith(quote) and line.endswith("\n"):  # one a line
                indent = line[: len(line) - len(line.lstrip())]
                goes_on = after.lstrip().startswith(",")
                put = "".join(f"{indent}{part},\n" for part in parts)
                lines[number] = before + ("" if goes_on else ",") + after
                lines[number] += put if goes_on else put.removesuffix(",\n") + "\n"
            else:
                lines[number] = before + "".join(f", {part}" for part in parts) + after
            return True
        if IN_TABLE.match(line):
            lines[number] = line.rstrip("\n") + "\n"
            lines[number] += "".join(f"{closure.entry(name)}\n" for name in missing)
            return True
    return False


def _indented(lines: list[str], missing: list[str], closure: Closure) -> bool:
    for number, line in enumerate(lines):
        if re.match(r"\s+livekit[-_]agents\b", line):
            indent = line[: len(line) - len(line.lstrip())]
            lines[number] = line.rstrip("\n") + "\n"
            lines[number] += "".join(f"{indent}{closure.line(name)}\n" for name in missing)
            return True
    return False


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
