"""The signal-to-noise ratio of an echo."""

from __future__ import annotations

import numpy as np

from releve.probe.media.signal import RATE, Samples

CLEAREST_DB = 60.0


def snr_db(chirp: Samples, heard: Samples, place: float, bed_hertz: int) -> float:
    """Signal to noise of a chirp heard at the (fractional) sample `place`, in decibels.

    Least squares split what was heard into the chirp, the bed tone, and the rest; the rest is
    noise, and whatever the codec did to the chirp. At most CLEAREST_DB.
    """
    first = int(place)
    part = heard[first : first + len(chirp)].astype(np.float64)
    count = len(part)
    # To a part of a sample: at 4 kHz half of one is already a quarter of a radian.
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * len(chirp)) * (place - first))
    moved = np.fft.irfft(np.fft.rfft(chirp, 2 * len(chirp)) * turn)[:count]
    phase = 2 * np.pi * bed_hertz * np.arange(count) / RATE
    basis = np.stack((moved, np.cos(phase), np.sin(phase)), axis=1)
    gains = np.linalg.lstsq(basis, part, rcond=None)[0]
    rest = float(np.sum(np.square(part - basis @ gains)))
    said = float(np.sum(np.square(moved * gains[0])))
    if said == 0:
        return -CLEAREST_DB
    return float(10 * np.log10(said / max(rest, said * 10 ** (-CLEAREST_DB / 10))))
