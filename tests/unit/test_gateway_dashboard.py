"""Dashboard and alerts ask for figures that the gateway really gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from unit.gateway_running import Running

FILES = Path(__file__).resolve().parents[2] / "roles" / "dispatch_gateway" / "files"
DASHBOARD = json.loads((FILES / "gateway-dashboard.json").read_text())
ALERTS = yaml.safe_load((FILES / "gateway-alerts.yml").read_text())
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool here; it is in Debian's package prometheus"
)


def expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return panels + [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]


async def test_every_figure_asked_for_is_given(gateway: Running) -> None:
    async with gateway.plain.get(
        f"http://127.0.0.1:{gateway.config.metrics_port}/metrics"
    ) as answer:
        text = await answer.text()
    given = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    given |= {f"{name}_bucket" for name in given}
    asked = {name for line in expressions() for name in re.findall(r"releve_\w+", line)}
    assert asked <= given
    assert asked >= {
        "releve_offers_total",
        "releve_offer_seconds_bucket",
        "releve_jobs",
        "releve_workers",
        "releve_weight",
        "releve_flips_total",
        "releve_redispatches_total",
        "releve_server_connected",
        "releve_task_failures_total",
    }


def test_panels_do_not_lie_on_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_every_alert_says_what_to_look_at() -> None:
    for rule in ALERTS["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


def promtool(*words: str | Path) -> None:
    """Prometheus's own judgement; fails with what it says."""
    assert PROMTOOL is not None
    said = subprocess.run([PROMTOOL, *words], check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


@needs_promtool
def test_prometheus_fires_each_alert_when_it_should_and_not_before() -> None:
    promtool("check", "rules", FILES / "gateway-alerts.yml")
    promtool("test", "rules", Path(__file__).parent / "gateway_alerts.yml")


@needs_promtool
def test_prometheus_understands_every_panel(tmp_path: Path) -> None:
    rules = [{"record": f"p{number}", "expr": line} for number, line in enumerate(expressions())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)
