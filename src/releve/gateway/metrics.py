"""The gateway's figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from releve.gateway.policy import COLOURS, Rules
from releve.gateway.workers import Roster


class LiveState(Collector):
    """Gauges read from the live state at scrape time, so that they can never drift from it."""

    def __init__(self, roster: Roster, rules: Callable[[], Rules]) -> None:
        self._roster = roster
        self._rules = rules

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One sample per colour of workers, jobs, weight and cordon."""
        rules = self._rules()
        workers = list(self._roster.workers.values())
        running = self._roster.running()
        readings = {
            "workers": ("Connected workers", lambda c: sum(w.colour == c for w in workers)),
            "jobs": ("Running jobs", lambda c: sum(j.worker.colour == c for j in running)),
            "weight": ("Percentage of new rooms", lambda c: rules.weights[c]),
            "cordoned": ("1 when the colour takes nothing", lambda c: int(c in rules.cordoned)),
        }
        for name, (text, read) in readings.items():
            family = GaugeMetricFamily(f"releve_{name}", text, labels=["colour"])
            for colour in COLOURS:
                family.add_metric([colour], float(read(colour)))  # type: ignore[no-untyped-call]
            yield family


class Metrics:
    """Counters that the dispatcher moves, and the gauges of the live state."""

    def __init__(self, roster: Roster, rules: Callable[[], Rules]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(LiveState(roster, rules))
        self.offers = Counter(
            "releve_offers",
            "Offers of the server by outcome and colour",
            ["outcome", "colour"],
            registry=self.registry,
        )
        self.offer_seconds = Histogram(
            "releve_offer_seconds",
            "From the server's request to the gateway's answer",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 3, 8),
            registry=self.registry,
        )
        self.flips = Counter("releve_flips", "Changes of weights", registry=self.registry)
