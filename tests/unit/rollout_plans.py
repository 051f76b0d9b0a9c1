"""Plans of rollouts, as tests need them."""

from __future__ import annotations

from typing import Any

from releve.rollout.plan import Plan

GOOD: dict[str, Any] = {
    "id": "20250601T101500Z-migrate-0a1b",
    "stack": "demo",
    "from": "blue",
    "to": "green",
    "schedule": [{"weight": 25, "seconds": 60}, {"weight": 100, "seconds": 120}],
    "socket": "/run/releve/demo/admin.sock",
    "record": "/record/sentinels.jsonl",
}


def plan(**changes: Any) -> Plan:
    """A good plan with changes."""
    return Plan.model_validate(GOOD | changes)
