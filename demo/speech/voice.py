"""Text to speech by espeak-ng, whose library and voices are in a wheel."""

from __future__ import annotations

import ctypes
import io
import sys
import threading
import wave
from pathlib import Path

import espeakng_loader
import lameenc
import numpy as np
import soxr

RATE = 24_000  # what OpenAI's `pcm` means
WORDS_PER_MINUTE = 145
_SYNCHRONOUS, _UTF8, _RATE = 2, 1, 1  # espeak_Initialize, espeak_Synth, espeak_SetParameter
_Heard = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Voice:
    """One espeak-ng; it can speak one text at a time, so callers wait for each other."""

    def __init__(self, words_per_minute: int = WORDS_PER_MINUTE) -> None:
        """At that pace; below 80 espeak-ng does not go."""
        self._words_per_minute = words_per_minute
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._one_at_a_time = threading.Lock()
        self._parts: list[bytes] = []
        data = espeakng_loader.get_data_path().encode()
        self._rate: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if self._rate <= 0:
            raise RuntimeError(f"espeak-ng does not start with the voices in {data.decode()}")
        self._callback = _Heard(self._keep)  # held: the library calls it for as long as it lives
        self._lib.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: str, speed: float = 1.0) -> bytes:
        """16-bit mono PCM at RATE. Raises ValueError for a voice that espeak-ng lacks."""
        with self._one_at_a_time:
            self._parts.clear()
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"espeak-ng has no voice {voice!r}")
            self._lib.espeak_SetParameter(_RATE, round(self._words_per_minute * speed), 0)
            spoken = text.encode()
            self._lib.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, _UTF8, None, None)
            samples = np.frombuffer(b"".join(self._parts), np.int16)
        return soxr.resample(samples, self._rate, RATE).tobytes()

    def _keep(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count > 0:
            self._parts.append(ctypes.string_at(samples, count * 2))
        return 0


def wav(pcm: bytes) -> bytes:
    """A WAV file of what `say` returned."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(pcm)
    return file.getvalue()


def mp3(pcm: bytes) -> bytes:
    """An MP3 file of what `say` returned."""
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(64)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.silence()
    return bytes(encoder.encode(pcm) + encoder.flush())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: voice.py VOICE TEXT FILE.wav")
    Path(sys.argv[3]).write_bytes(wav(Voice().say(sys.argv[2], sys.argv[1])))
