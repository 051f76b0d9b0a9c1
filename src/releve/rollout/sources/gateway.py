"""The gateway's admin API, as the controller uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from releve import unix_http
from releve.rollout.plan import Plan
from releve.rollout.policy import Decision, Wanted
from releve.rollout.sources.figures import Offers
from releve.unix_http import Unanswered

ANSWER_SECONDS = 2.0
"""The gateway itself gives up waiting for its disk after so long."""


class Away(Exception):
    """No gateway answers, or not with what can be understood; the text says why."""


class Refused(Exception):
    """The gateway changes nothing; `reason` is its own word for why."""

    def __init__(self, said: str, reason: str | None) -> None:
        super().__init__(said)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class InForce:
    """The gateway's decision, and the colours that have a worker which takes calls."""

    decision: Decision
    serving: frozenset[str]
    fallback: tuple[str, ...]
    remaining_seconds: float | None


class Gateway:
    """One agent's decisions and figures. Every method raises Away, `put` and `renew` Refused."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def get(self) -> InForce:
        """What is in force."""
        return _in_force(await self._ask("GET", "/decisions"))

    async def put(self, epoch: int, want: Wanted, why: str, fallback: tuple[str, ...]) -> InForce:
        """Have it in force. `fallback`: as it is; a forced return adds the colour that serves."""
        plan = self._plan
        body: dict[str, Any] = {
            "by": plan.by,
            "why": why[:500],
            "epoch": epoch,
            "weights": dict(want.weights),
        }
        if want.leased:
            body["lease_seconds"] = plan.lease_seconds
            body["otherwise"] = {"weights": plan.weights(0)}
        if want.back:
            body["cordons"] = {plan.from_: False}
        if want.forced:
            body["allow_unserved"] = True
            body["fallback"] = sorted({*fallback, plan.from_, plan.to})
        return _in_force(await self._ask("PUT", "/decisions", body))

    async def renew(self, epoch: int) -> InForce:
        """The lease begins anew; weights stay."""
        body = {"by": self._plan.by, "epoch": epoch, "lease_seconds": self._plan.lease_seconds}
        return _in_force(await self._ask("PUT", "/decisions", body))

    async def jobs(self) -> list[dict[str, Any]]:
        """Jobs that run, and the last that ended."""
        jobs: list[dict[str, Any]] = await self._ask("GET", "/jobs")
        return jobs

    async def offers(self) -> Offers:
        """Offers answered since the gateway started."""
        text = await self._ask("GET", "/metrics")
        counts = {"assigned": 0.0, "rejected": 0.0}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = sample.labels
                if sample.name == "releve_offers_total" and labels["agent"] == self._plan.agent:
                    counts[labels["outcome"]] = counts.get(labels["outcome"], 0.0) + sample.value
        return Offers(counts["assigned"], counts["rejected"])

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        query = {"agent": self._plan.agent} if path == "/decisions" else None
        socket = self._plan.socket
        try:
            status, content = await unix_http.ask(
                socket, method, path, body, query, seconds=ANSWER_SECONDS
            )
        except Unanswered as error:
            raise Away(f"no gateway answers at {socket}: {error}") from error
        if status == 200:
            return content
        facts = content if isinstance(content, Mapping) else {}
        raise Refused(str(facts.get("error") or f"it answers {status}"), facts.get("reason"))


def _in_force(content: Any) -> InForce:
    try:
        return InForce(
            Decision(
                content["epoch"],
                content["by"],
                content["weights"],
                content["lease_seconds"] is not None,
                content["why"],
                content["decided"],
            ),
            frozenset(content["serving"]),
            tuple(content["fallback"]),
            content["remaining_seconds"],
        )
    except (KeyError, TypeError) as error:
        raise Away(f"the gateway's decision cannot be understood: {error!r}") from error
