"""Where blue cannot be adopted live: it is restarted, and only when nobody talks."""

from __future__ import annotations

from e2e.harness import Stage


def test_blue_is_restarted_behind_the_gateway_when_nobody_talks(stage: Stage) -> None:
    talking = stage.hold_a_call()
    blue = stage.blue()
    refused = stage.play("migrate.yml", adoption="restart", idle_seconds=3)
    assert refused.code != 0
    assert "calls still go on after 3 s" in refused.last
    assert stage.blue() == blue
    talking.remove(force=True)

    run = stage.play("migrate.yml", adoption="restart")
    assert run.code == 0, run.output
    assert stage.blue() != blue
    calls = run.report["calls"]
    assert (calls["sentinels"], calls["dropped"]) == (3, 0)
    assert (calls["without_agent"], calls["with_two_agents"]) == (0, 0)
    assert stage.weights() == {"blue": 0, "green": 100}
