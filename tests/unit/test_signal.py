"""The probe's sink: known delays are measured, and nothing but the right chirp is accepted."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from releve.probe.media import signal as sg

RNG = np.random.default_rng(7)


def noise(count: int, rms: float) -> sg.Samples:
    return RNG.normal(0, rms, count).astype(np.float32)


def delayed(samples: sg.Samples, by: float, length: int, gain: float = 1.0) -> sg.Samples:
    """`samples` placed `by` (fractional) samples into `length` of silence, by its spectrum."""
    padded = np.zeros(length)
    padded[: len(samples)] = samples
    spectrum = np.fft.rfft(padded) * np.exp(-2j * np.pi * np.fft.rfftfreq(length) * by)
    return (gain * np.fft.irfft(spectrum, length)).astype(np.float32)


def frames(
    samples: sg.Samples, begin: float = 100.0, frame: int = 960
) -> list[tuple[float, sg.Pcm]]:
    """A perfect stream: each frame arrives when it can be played, the first at `begin`."""
    pcm = sg.pcm(samples)
    return [
        (begin + k / sg.RATE, pcm[k : k + frame]) for k in range(0, len(pcm) - frame + 1, frame)
    ]


@given(
    seed=st.integers(0, 2**64 - 1),
    by=st.floats(1, 40_000),
    gain=st.floats(0.05, 1.5),  # 34 dB down and still heard; below QUIET it counts as silence
)
@settings(max_examples=60, deadline=None)
def test_a_known_delay_is_found_to_a_twentieth_of_a_sample(
    seed: int, by: float, gain: float
) -> None:
    chirp = sg.chirp(seed)
    match = sg.find(chirp, delayed(chirp, by, sg.RATE, gain))
    assert match is not None
    assert abs(match.index - by) < 0.05
    assert match.score > 0.98


@given(by=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_at_the_edge_of_the_search_the_error_is_half_a_sample_at_most(by: float) -> None:
    chirp = sg.chirp(0)
    match = sg.find(chirp, delayed(chirp, by, sg.RATE))
    assert match is not None
    assert abs(match.index - by) <= 0.55


@pytest.mark.parametrize("snr_db", [20, 10, 0])
def test_a_known_delay_is_found_in_noise_to_two_samples(snr_db: int) -> None:
    for seed in range(30):
        chirp = sg.chirp(seed)
        rms = float(np.sqrt(np.mean(np.square(chirp)))) * 10 ** (-snr_db / 20)
        match = sg.find(chirp, delayed(chirp, 12_345.4, sg.RATE) + noise(sg.RATE, rms))
        assert match is not None
        assert abs(match.index - 12_345.4) < 2


def test_a_chirp_is_found_over_its_bed_in_the_telephone_band() -> None:
    chirp = sg.chirp(5)
    said = delayed(chirp, 9_000, sg.RATE) + sg.bed(300, 0, sg.RATE)
    narrow = scipy.signal.sosfilt(
        scipy.signal.butter(2, [300, 3400], "bandpass", fs=sg.RATE, output="sos"), said
    )
    match = sg.find(chirp, narrow.astype(np.float32))
    assert match is not None
    assert abs(match.index - 9_000) < 20  # the filter's own delay


def test_no_wrong_chirp_is_accepted_in_ten_thousand_trials() -> None:
    """Every pair of 100 wrong seeds and 100 echoes, each searched over 80 ms of lags."""
    wrong = [sg.chirp(seed) for seed in range(1000, 1100)]
    for seed in range(100):
        heard = delayed(sg.chirp(seed), 1_900, 6_720) + noise(6_720, 0.003)
        assert sg.find(sg.chirp(seed), heard) is not None
        for other in wrong:
            assert sg.find(other, heard) is None


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-2, 0.3])
def test_neither_noise_nor_silence_is_a_chirp(level: float) -> None:
    for seed in range(20):
        assert sg.find(sg.chirp(seed), noise(2 * sg.RATE, level)) is None


def test_a_whisper_under_the_least_level_is_no_chirp() -> None:
    chirp = sg.chirp(3)
    assert sg.find(chirp, delayed(chirp, 500, sg.RATE, gain=1e-3)) is None


def test_too_little_to_search_is_no_match() -> None:
    assert sg.find(sg.chirp(1), np.zeros(100, np.float32)) is None


def test_seeds_are_the_same_in_every_process_and_differ_by_call_and_burst() -> None:
    assert sg.seed("room", 1) == 2945268494352479587
    assert len({sg.seed(room, n) for room in ("a", "a1", "b") for n in range(50)}) == 150


def jittered(count: int, late: list[float], pause_at: int, pause: float) -> sg.Times:
    ideal = 50.0 + np.arange(count) * 0.02 + np.where(np.arange(count) >= pause_at, pause, 0)
    return np.maximum.accumulate(ideal + np.resize(np.array(late), count))


@given(
    late=st.lists(st.floats(0, 0.15), max_size=15),
    pause=st.floats(0, 3),
    pause_at=st.integers(1, 199),
)
def test_the_time_base_undoes_late_arrivals_and_keeps_pauses(
    late: list[float], pause: float, pause_at: int
) -> None:
    # Ten punctual frames end every such spell: time to catch up, within the half second looked at.
    arrivals = jittered(200, late + [0.0] * 10, pause_at, pause)
    times = sg.playable(arrivals, np.arange(200, dtype=np.int64) * 960)
    ideal = 50.0 + np.arange(200) * 0.02 + np.where(np.arange(200) >= pause_at, pause, 0)
    assert np.all(times <= arrivals + 1e-9)
    assert np.all(times >= ideal - 1e-9)
    # Half a second of later frames is missing before the pause and before the record's end.
    judged = np.arange(200 - 25)
    judged = judged[(judged < pause_at - 25) | (judged >= pause_at)]
    assert np.allclose(times[judged], ideal[judged], atol=1e-9)


def test_a_burst_after_a_stall_is_spread_out_again() -> None:
    arrivals = 10.0 + np.arange(100) * 0.02
    arrivals[30:45] = arrivals[45]  # the event loop stalled for 300 ms
    times = sg.playable(arrivals, np.arange(100, dtype=np.int64) * 960)
    assert np.allclose(times[:75], 10.0 + np.arange(75) * 0.02)


@given(delay=st.floats(0.001, 1.1), frame=st.sampled_from([480, 960]))
@settings(max_examples=25, deadline=None)
def test_a_recording_tells_the_round_trip(delay: float, frame: int) -> None:
    chirp = sg.chirp(11)
    heard = delayed(chirp, delay * sg.RATE, 2 * sg.RATE)
    recording = sg.Recording(frames(heard, begin=100.0, frame=frame))
    found = recording.delay(chirp, 100.0, 1.2)
    assert found is not None
    assert abs(found - delay) < 1e-4


def test_an_echo_that_comes_too_late_or_before_it_was_said_is_none() -> None:
    chirp = sg.chirp(11)
    recording = sg.Recording(frames(delayed(chirp, 1.0 * sg.RATE, 3 * sg.RATE)))
    assert recording.delay(chirp, 100.0, 0.9) is None
    assert recording.delay(chirp, 101.5, 1.0) is None
    assert recording.delay(chirp, 200.0, 1.0) is None


def test_the_bed_is_heard_frame_by_frame_and_a_gap_is_measured() -> None:
    said = sg.bed(250, 0, 3 * sg.RATE) * np.float32(0.5) + noise(3 * sg.RATE, 0.001)
    said[sg.RATE : sg.RATE + 24_000] = noise(24_000, 0.001)
    recording = sg.Recording(frames(said))
    silences = sg.gaps(recording.bed_heard(250), 100.0, 103.0)
    assert len(silences) == 1
    begin, end = silences[0]
    assert begin == pytest.approx(101.0, abs=0.021)
    assert end - begin == pytest.approx(0.5, abs=0.021)


def test_a_neighbours_bed_and_loud_noise_of_its_own_are_not_ours() -> None:
    recording = sg.Recording(frames(sg.bed(350, 0, sg.RATE) * np.float32(3)))
    assert len(recording.bed_heard(300)) == 0
    assert len(recording.bed_heard(350)) == 50


def test_the_bed_is_whole_periods_in_a_frame_so_one_frame_serves_for_all() -> None:
    for hertz in {sg.bed_hertz(seed) for seed in range(50)}:
        assert np.allclose(sg.bed(hertz, 0, 960), sg.bed(hertz, 960, 960), atol=1e-6)


def blocks(begin: float, end: float) -> sg.Times:
    return np.arange(begin, end - 1e-6, 0.02)


def test_a_silence_is_told_once_when_it_ends_and_what_still_goes_on_at_the_end() -> None:
    watch = sg.SilenceWatch(0.3)
    assert watch.end(5.0) == []  # nothing was ever heard: not a silence but no echo at all
    assert watch.feed(blocks(10, 11)) == []
    assert watch.feed(blocks(10.5, 11.2)) == []
    assert watch.feed(np.zeros(0)) == []
    told = watch.feed(blocks(12.0, 13.0))
    assert told == [pytest.approx((11.2, 12.0))]
    assert watch.feed(blocks(12.5, 13.2)) == []
    assert watch.feed(blocks(13.4, 14.0)) == []  # 200 ms: the codec's
    assert watch.end(14.2) == []
    assert watch.end(15.0) == [pytest.approx((14.0, 15.0))]
