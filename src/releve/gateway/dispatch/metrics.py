"""The gateway's figures for Prometheus."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from releve.gateway.decisions.in_force import Rulebook
from releve.gateway.dispatch.registry import Registry
from releve.gateway.policy import COLOURS


class LiveState(Collector):
    """Gauges read from the live state at scrape time, so that they can never drift from it."""

    def __init__(
        self,
        agents: Sequence[str],
        workers: Registry,
        rulebook: Rulebook,
        failures: Mapping[str, int],
    ) -> None:
        self._agents = agents
        self._failures = failures
        self._registry = workers
        self._rulebook = rulebook

    def collect(self) -> Iterable[Metric]:
        """Per agent and colour: workers, jobs, weight and cordon; per agent: flips."""
        rules = self._rulebook.decisions.agents
        workers = collections.Counter((w.agent, w.colour) for w in self._registry.workers.values())
        jobs = collections.Counter(
            (j.worker.agent, j.worker.colour) for j in self._registry.running()
        )
        readings = {
            "workers": ("Connected workers", lambda a, c: workers[a, c]),
            "jobs": ("Running jobs", lambda a, c: jobs[a, c]),
            "weight": ("Percentage of new rooms", lambda a, c: rules[a].weights[c]),
            "cordoned": ("1 when the colour takes nothing", lambda a, c: c in rules[a].cordoned),
        }
        for name, (text, read) in readings.items():
            family = GaugeMetricFamily(f"releve_{name}", text, labels=["agent", "colour"])
            for agent, colour in product(self._agents, COLOURS):
                value = float(read(agent, colour))  # type: ignore[no-untyped-call]
                family.add_metric([agent, colour], value)
            yield family
        flips = CounterMetricFamily("releve_flips", "Changes of weights", labels=["agent"])
        for agent in self._agents:
            flips.add_metric([agent], self._rulebook.flips[agent])
        yield flips
        failed = CounterMetricFamily(
            "releve_task_failures",
            "Background tasks that failed, and began again where they run for good",
            labels=["task"],
        )
        for task, count in self._failures.items():
            failed.add_metric([task], count)
        yield failed


class Metrics:
    """Counters that the dispatcher moves, and the gauges of the live state."""

    def __init__(
        self,
        agents: Sequence[str],
        workers: Registry,
        rulebook: Rulebook,
        failures: Mapping[str, int],
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(LiveState(agents, workers, rulebook, failures))
        self.offers = Counter(
            "releve_offers",
            "Offers of the server by agent, outcome and colour",
            ["agent", "outcome", "colour"],
            registry=self.registry,
        )
        self.offer_seconds = Histogram(
            "releve_offer_seconds",
            "From the server's request to the gateway's answer",
            ["agent"],
            buckets=(0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 3),
            registry=self.registry,
        )
        self.connected = Gauge(
            "releve_server_connected",
            "1 while the key is registered at the server",
            ["agent", "key"],
            registry=self.registry,
        )
        self.redispatches = Counter(
            "releve_redispatches",
            "Rooms dispatched again because their worker died",
            ["agent"],
            registry=self.registry,
        )
        self.handovers = Counter(
            "releve_handovers",
            "Rooms whose handover is over, by the agent that is there at the end",
            ["agent", "outcome"],
            registry=self.registry,
        )
        for agent in agents:
            for outcome in ("new", "old"):
                self.handovers.labels(agent, outcome)
            self.redispatches.labels(agent)  # 0 until it happens: an increase needs a beginning
