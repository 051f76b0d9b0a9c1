"""The findings as SARIF 2.1.0, for code review tools and for the playbook."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from releve.upgrade.model import Note, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def document(
    notes: Iterable[tuple[Path, Note, bool]], rules: Iterable[Rule], root: Path
) -> dict[str, Any]:
    """(file, note, rewritten by the tool?) -> one SARIF run.

    What the tool rewrites is a `note`, what is left to a person is a `warning`.
    """
    known = list(rules)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "releve upgrade-code",
                        "rules": [_rule(rule) for rule in known],
                    }
                },
                "results": [_result(path, note, certain, root) for path, note, certain in notes],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{rule.v0} → {rule.v1}"},
        "fullDescription": {"text": rule.why},
        "properties": {"area": rule.area},
    }


def _result(path: Path, note: Note, certain: bool, root: Path) -> dict[str, Any]:
    inside = path.is_relative_to(root)
    where = quote(path.relative_to(root).as_posix()) if inside else path.resolve().as_uri()
    return {
        "ruleId": note.rule.id,
        "level": "note" if certain else "warning",
        "message": {"text": note.advice},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": where},
                    "region": {"startLine": note.line},
                }
            }
        ],
    }
