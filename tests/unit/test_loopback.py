"""Against a loopback of known delay, with loss and noise: the right round trip, or none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from releve.probe.media import signal as sg

FRAME = sg.RATE // 50  # what is lost at once: 20 ms
GAP = 0.35  # seconds between chirps, as the echo suite says them
CHIRPS = 40
NEAR = 0.002  # seconds: beyond it a peak is a wrong one
SNR_DB = 10.0
AROUND = 480  # samples


def noise_of(rng: np.random.Generator, count: int) -> sg.Samples:
    """White noise SNR_DB under a chirp."""
    level = np.sqrt(np.mean(np.square(sg.chirp(0)))) * 10 ** (-SNR_DB / 20)
    return rng.normal(0, level, count).astype(np.float32)


def lose(samples: sg.Samples, loss: float, rng: np.random.Generator, concealed: bool) -> None:
    """Lose that fraction of the frames: silence instead, or the frame before once more."""
    grid = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    for number in np.flatnonzero(rng.random(len(grid)) < loss):
        grid[number] = grid[number - 1] if concealed and number else 0


def placed(parts: list[tuple[sg.Samples, float]], length: int) -> sg.Samples:
    """Each part at its (fractional) sample, by its spectrum and that of the silence around it."""
    heard = np.zeros(length + 2 * AROUND)
    for samples, at in parts:
        first, count = int(at), len(samples) + 2 * AROUND
        turn = np.exp(-2j * np.pi * np.fft.rfftfreq(count) * (at - first + AROUND))
        heard[first : first + count] += np.fft.irfft(np.fft.rfft(samples, count) * turn, count)
    return heard[AROUND:-AROUND].astype(np.float32)


@pytest.mark.parametrize("concealed", [False, True])
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.10])
@pytest.mark.parametrize("delay_ms", [0, 50, 123, 400, 2000])
def test_the_round_trip_through_a_bad_loopback_is_right_or_none(
    delay_ms: int, loss: float, concealed: bool
) -> None:
    rng = np.random.default_rng(delay_ms)
    length = int((CHIRPS * GAP + 4) * sg.RATE)
    chirps = [(sg.chirp(sg.seed("loopback", n)), 100 + n * GAP) for n in range(CHIRPS)]
    heard = placed([(c, (at - 100 + delay_ms / 1000) * sg.RATE) for c, at in chirps], length)
    heard += sg.bed(300, 0, length)
    lose(heard, loss, rng, concealed)
    heard += noise_of(rng, length)
    pcm = sg.pcm(heard)
    recording = sg.Recording(
        [(100 + k / sg.RATE, pcm[k : k + FRAME]) for k in range(0, length - FRAME + 1, FRAME)]
    )
    found = [recording.delay(chirp, at, sg.LONGEST_RTT) for chirp, at in chirps]
    errors = [abs(delay - delay_ms / 1000) for delay in found if delay is not None]
    assert len(errors) >= CHIRPS * 0.75
    assert np.median(errors) < NEAR
    assert max(errors) < NEAR


def trials(count: int) -> Iterator[tuple[sg.Samples, sg.Samples, float | None]]:
    """(chirp searched for, 240 ms heard, where it is or None): 10 % loss, noise at 10 dB.

    Over it, always, another agent's or another burst's echo, up to twice as loud.
    """
    rng = np.random.default_rng(5)
    seeds = rng.integers(0, 2**63, 400)
    bank = [sg.chirp(int(seed)) for seed in seeds]
    length = round(0.24 * sg.RATE)
    for number in range(count):
        mine, other = rng.choice(len(bank), 2, replace=False)
        there = number % 2 == 0
        at, elsewhere = rng.uniform(2, length - len(bank[0]) - 2, 2)
        parts = [(bank[other] * np.float32(rng.uniform(0.3, 2)), elsewhere)]
        if there:
            parts.append((bank[mine], at))
        heard = placed(parts, length)
        lose(heard, 0.10, rng, concealed=number % 4 < 2)
        yield bank[mine], heard + noise_of(rng, length), float(at) if there else None


def test_no_wrong_peak_is_accepted_in_ten_thousand_bad_trials() -> None:
    found = 0
    for chirp, heard, at in trials(10_000):
        match = sg.find(chirp, heard)
        if match is not None:
            assert at is not None, "an echo that is not ours was accepted"
            assert abs(match.index - at) < NEAR * sg.RATE
            found += 1
    assert found > 3000  # of the 5000 that are there, under an echo of somebody else's
    print(f"{found} of 5000 found")
