"""Figures come with their certainty, and too few values are no figure."""

from __future__ import annotations

import numpy as np
import pytest

from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import statistics
from releve.probe.media import signal, snr


def test_the_interval_of_p95_holds_the_true_one_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        interval = statistics.p95_interval(rng.normal(150, 10, 200).tolist())
        assert interval is not None
        held += interval[0] <= 150 + 1.6449 * 10 <= interval[1]
    assert held >= 85


def test_the_interval_is_the_same_for_the_same_values_and_none_for_few() -> None:
    values = [float(n) for n in range(60)]
    assert statistics.p95_interval(values) == statistics.p95_interval(values)
    assert statistics.p95_interval(values[:19]) is None


def series(slope_a_minute: float, seconds: int, level: float) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seconds)
    return [(t, level + slope_a_minute * t / 60 + rng.normal(0, 3)) for t in range(seconds)]


@pytest.mark.parametrize("slope", [0.0, 2.0, -5.0])
def test_a_known_drift_is_inside_its_interval_whatever_the_calls_levels(slope: float) -> None:
    """The second call takes the first one's place, on another jitter buffer."""
    after = [(t + 900, ms) for t, ms in series(slope, 901, 160.0)]
    found = statistics.drift([series(slope, 900, 120.0), after])
    assert found is not None
    assert found.low <= slope <= found.high
    assert found.low <= found.slope <= found.high
    assert found.high - found.low < 1


def test_a_drift_of_few_values_or_no_time_is_none() -> None:
    assert statistics.drift([]) is None
    assert statistics.drift([[], [(1.0, 100.0)] * 10]) is None
    assert statistics.drift([[(1.0, 100.0)] * 50]) is None


def test_a_spread_is_none_without_values() -> None:
    assert statistics.spread([]) is None
    assert statistics.spread([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": 2.9, "max": 3.0}


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 0.0])
@pytest.mark.parametrize("place", [500.0, 500.5])
def test_the_snr_is_the_one_that_was_made_and_the_bed_is_no_noise(
    snr_db: float, place: float
) -> None:
    rng = np.random.default_rng(1)
    found = []
    for seed in range(20):
        chirp = signal.chirp(seed)
        heard = signal.bed(300, 0, 9600).astype(np.float64)
        turn = np.exp(-2j * np.pi * np.fft.rfftfreq(9600) * place)
        heard += np.fft.irfft(np.fft.rfft(chirp, 9600) * turn)
        level = np.sqrt(np.mean(np.square(chirp))) * 10 ** (-snr_db / 20)
        heard += rng.normal(0, level, 9600)
        found.append(snr.snr_db(chirp, heard.astype(np.float32), place, 300))
    assert np.median(found) == pytest.approx(snr_db, abs=0.5)


def test_silence_is_not_clear() -> None:
    assert snr.snr_db(signal.chirp(1), np.zeros(5000, np.float32), 10.0, 300) <= 0


def test_work_costs_cpu_and_is_shared_out_among_the_calls() -> None:
    meter = OwnCostMeter()
    sum(n * n for n in range(300_000))
    cost = meter.read(2)
    assert cost["cpu_s"] is not None
    assert cost["cpu_s"] > 0
    assert cost["cores_per_call"] is not None
    assert cost["cores_per_call"] > 0
    one, four = (meter.read(calls)["cores_per_call"] for calls in (1, 4))
    assert one is not None
    assert four == pytest.approx(one / 4, rel=0.1)
    assert one < 2  # of one thread's work, in a moment: about the core it had
    assert meter.read(0)["cores_per_call"] is None
