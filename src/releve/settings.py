"""The settings of the playbooks, as the roles' argument specs and defaults have them.

`python -m releve.settings > docs/settings.md` writes the page; the action plugin releve_settings
refuses what an inventory sets and no role knows.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Besides the names of roles: what belongs to one of them by its meaning.
WORDS = ("sentinel", "sentinels", "releve", "canary", "bake", "discover", "handover")
INTERNAL = "for the role itself"

HEAD = """# Settings

Made by `python -m releve.settings > docs/settings.md` from the roles' argument specs and defaults.
An inventory overrides them in `group_vars`, a command with `-e`. A name that begins like one of
ours and is none is refused before a run begins, with the nearest that is. What a role is given by
its caller, and what it computes for itself, is not listed.

"""

TAIL = """## playbooks/upgrade_code.yml

| setting | meaning |
|---|---|
| `code_repository` | the repository whose agent code is moved to v1 |
| `code_branch` | the branch it is done on |
| `code_image` | the image in which the result is tried |
| `code_agent_name` | the name under which the agent registers, if it has one |
"""


@dataclass(frozen=True)
class Setting:
    """One option of a role; `default` is YAML, or None where it has to be given."""

    name: str
    kind: str
    default: str | None
    meaning: str


def settings(roles: Path) -> dict[str, list[Setting]]:
    """By role, every option that an inventory may set; each once, where it is named first.

    Role `stack` comes first, whose words the others share.
    """
    seen: set[str] = set()
    found: dict[str, list[Setting]] = {}
    for role in sorted(_roles(roles), key=lambda path: (path.name != "stack", path.name)):
        defaults = _defaults(role)
        for name, option in _options(role):
            if name in seen or option.get("required") or INTERNAL in option["description"]:
                continue
            seen.add(name)
            default = defaults.get(name, _one_line(option.get("default")))
            # Of a default that takes lines of its own, only that there is one.
            shown = "see the role's defaults" if default and len(default) > 60 else default
            kind = option["type"] if option["type"] != "list" else f"list of {option['elements']}"
            meaning = " ".join(str(option["description"]).split())
            choices = ", ".join(f"`{choice}`" for choice in option.get("choices", ()))
            found.setdefault(role.name, []).append(
                Setting(name, kind, shown, meaning + (f" One of {choices}." if choices else ""))
            )
    return found


def page(roles: Path) -> str:
    """docs/settings.md."""
    parts = [HEAD]
    for role, found in settings(roles).items():
        parts.append(f"## {role}\n\n| setting | type | default | meaning |\n|---|---|---|---|\n")
        parts += [
            f"| `{one.name}` | {one.kind} | {_shown(one.default)} | {_cell(one.meaning)} |\n"
            for one in found
        ]
        parts.append("\n")
    return "".join(parts) + TAIL


def unknown(names: Iterable[str], repository: Path) -> list[str]:
    """A sentence for each name that begins like one of ours and is none, with the nearest one."""
    roles = repository / "roles"
    known = {one.name for found in settings(roles).values() for one in found}
    prefixes = tuple(f"{word}_" for word in (*(path.name for path in _roles(roles)), *WORDS))
    own = known | _written(repository)
    sentences = []
    for name in sorted(names):
        if name.startswith(prefixes) and name not in own:
            sentences.append(f"{name} is no setting of Relève; the nearest is {_near(name, known)}")
    return sentences


def _near(name: str, known: set[str]) -> str:
    """One that only goes on where the name ends, else the one that looks most like it."""
    longer = sorted(one for one in known if one.startswith(name))
    return longer[0] if longer else difflib.get_close_matches(name, sorted(known), 1, 0.0)[0]


def _written(repository: Path) -> set[str]:
    """Every name that our own files give themselves: to facts, results, arguments."""
    found: set[str] = set()
    for pattern in ("roles/*/*/*.yml", "playbooks/*.yml", "playbooks/*/*.yml"):
        for path in repository.glob(pattern):
            text = path.read_text(encoding="utf-8")
            found.update(re.findall(r"(\w+):", text))
            found.update(re.findall(r"\bregister: (\w+)", text))
    for path in repository.glob("plugins/*/*.py"):
        found.update(re.findall(r'"(\w+)":', path.read_text(encoding="utf-8")))
    return found


def _roles(roles: Path) -> list[Path]:
    return [path.parents[1] for path in roles.glob("*/meta/argument_specs.yml")]


def _options(role: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    text = (role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    for entry in yaml.safe_load(text)["argument_specs"].values():
        yield from (entry.get("options") or {}).items()


def _defaults(role: Path) -> dict[str, str]:
    """The role's defaults as text, by name; comments are not a part of them."""
    path = role / "defaults/main.yml"
    if not path.exists():
        return {}
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _one_line(value) for name, value in read.items()}


def _one_line(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value if value else '""'
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.strip().removesuffix("...").strip()


def _shown(default: str | None) -> str:
    if not default:
        return "–"
    return default if default.startswith("see ") else f"`{_cell(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page(Path(__file__).parents[2] / "roles"))
