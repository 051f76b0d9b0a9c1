"""docs/upgrading.md, from the rules."""

from __future__ import annotations

from collections.abc import Iterable

from releve.upgrade.gone import GONE, MOVED
from releve.upgrade.model import Rule
from releve.upgrade.target.signatures import load, versions

INTRO = """\
# Upgrading agent code from v0.x to v1

This page is generated from the tool's own rules; change those and run
`releve upgrade-code --table > docs/upgrading.md`.

    releve upgrade-code PATH            # what is to do, by file and line (the same as --check)
    releve upgrade-code PATH --diff     # the rewrite, as a unified diff
    releve upgrade-code PATH --write    # rewrite the files, then say what is left to do by hand

    releve upgrade-code PATH --target 1.8.9 --exclude old --exclude "test_*.py"

To {versions}, or to another target that is recorded ({targets}).

| written for | what is done |
|---|---|
| 0.4 to 0.6 | names and rules of 0.7 as far as they are the same; what is older (`agents.run_app`, `agents.Worker(request_handler=…)`, `ctx.create_task`) is flagged |
| 0.7 | every public name of livekit 0.11.1, livekit-agents 0.7.2 and livekit-api 0.5.1 has a rule: compared with both SDKs by the tests |
| 0.8 to 0.12 | VoicePipelineAgent, MultimodalAgent, chat contexts that are appended to, content as text, function contexts, turn detector, names that moved; what has no rule is found by the check |
| 1.0 and later | nothing is rewritten; what the target does not have is flagged |

*Checked* is every result: each import of `livekit`, each attribute, call, keyword, event and overridden method is
looked up in data made from the target's own packages and plugins, and flagged where it does not fit, with its line
and what to write. Types are followed as far as they are certain. "0 places to change by hand" says that this check
found nothing.

`--check` and `--diff` exit 1 when anything is to do, `--write` when something is left to do by hand; 0 says that
nothing is, 2 that a file cannot be read or written or that the command was wrong. A file that does not parse is
listed with its line; the others are moved. Environments, `node_modules` and built files are left out, and said.
`--sarif FILE` writes the same list as SARIF 2.1.0.

*Rewritten* is what is certain from the file itself: names are followed through imports, and objects
through annotations, constructors, attributes, loops and callbacks. Everything else is *flagged*,
with its line and what to write. Formatting and comments stay; running it again changes nothing. A
line with the comment `# releve: v1` is one that a person has looked at: nothing is flagged there.
What other files of the project hold, return and give is followed where their imports are plain; where that does not
reach, annotate (`room: rtc.Room`). Notebooks are not read.

LiveKit's own examples, moved by the tool and then imported with the packages of 1.1.3; a file fails where its import
does, or a name or call that its imports lead to. Files that need other packages were checked by the tool alone.

| examples of | files | with flags | flags | fail without a flag | need other packages |
|---|---|---|---|---|---|
| 0.5.1 | 7 | 1 | 7 | 0 | 0 |
| 0.7.2 | 9 | 5 | 35 | 0 | 0 |
| 0.10.2 | 20 | 15 | 37 | 0 | 3 |
| 0.12.20 | 30 | 25 | 72 | 0 | 2 |

In a repository, `ansible-playbook playbooks/upgrade_code.yml -e code_repository=/path/to/it` does
all of this on the branch `migration-livekit-v1`, imports the result in green's image, and calls
each program that runs a worker, on a throw-away server without a way out; what was heard is in the
report. A work tree with changes is refused, and nothing is pushed.

What reads the same in both versions needs no rule: the names and arguments of the room's events,
`AudioStream` over a track, publishing and unpublishing tracks, `AutoSubscribe`,
`WorkerPermissions`, the commands of `cli.run_app`, rooms, egress, ingress, webhooks and tokens of
the API client.
"""


def page(rules: Iterable[Rule]) -> str:
    """The whole page, ended by a newline."""
    wanted = ("livekit", "livekit-agents", "livekit-api")
    told = ", ".join(f"{name} {load().versions[name]}" for name in wanted)
    parts = [INTRO.format(versions=told, targets=", ".join(versions()))]
    areas: dict[str, list[Rule]] = {}
    for rule in rules:
        areas.setdefault(rule.area, []).append(rule)
    for area, known in areas.items():
        parts += [
            f"\n## {area.capitalize()}\n",
            "| rule | v0 | v1 | done | why |",
            "|---|---|---|---|---|",
        ]
        parts += [_row(rule) for rule in known]
    parts += ["\n## Names that moved\n", "| v0 | v1 |", "|---|---|"]
    parts += [f"| `{old}` | `{new}` |" for old, new in sorted(MOVED.items())]
    parts += ["\n## Names that are gone\n", "| v0 | instead |", "|---|---|"]
    parts += [f"| `{name}` | {_cell(GONE[name])} |" for name in sorted(GONE) if name not in MOVED]
    return "\n".join(parts) + "\n"


def _row(rule: Rule) -> str:
    done = "rewritten" if rule.certain else "flagged"
    return f"| {rule.id} | {_cell(rule.v0)} | {_cell(rule.v1)} | {done} | {_cell(rule.why)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
