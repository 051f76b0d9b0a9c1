"""Speech to text by pocketsphinx, whose English model is in the wheel: the script, no more."""

from __future__ import annotations

import io
import tempfile
import threading
import wave

import numpy as np
import pocketsphinx
import script
import soxr

RATE = 16_000
LEAST_SCORE = 0.3  # of a phrase of the script; other speech that fits one scores less
LOUD = 200  # of 32768: where speech begins and ends
MARGIN = np.zeros(RATE // 4)
HISS = 20.0  # of 32768: exact zeros are no silence that the model knows
_WIDE = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}


class AudioError(ValueError):
    """Not a WAV file of 16 bits."""


class Ear:
    """One recogniser of one language; it hears one clip at a time, so callers wait."""

    def __init__(self, language: str) -> None:
        self._one_at_a_time = threading.Lock()
        self._noise = np.random.default_rng(0)
        sounds = script.SCRIPT[language].get("sounds")
        self._phrases = {
            script.plain(phrase).replace(" ", "_" if sounds else " "): phrase
            for phrase in script.phrases(language)
        }
        with tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="utf-8") as words:
            for phrase, phones in (sounds or {}).items():
                words.write(f"{script.plain(phrase).replace(' ', '_')} {phones}\n")
            words.flush()
            own = {"dict": words.name} if sounds else {}
            self._decoder = pocketsphinx.Decoder(
                lm=None, samprate=RATE, loglevel="FATAL", **_WIDE, **own
            )
        wanted = " | ".join(self._phrases)
        self._decoder.add_jsgf_string("script", f"#JSGF V1.0; grammar s; public <s> = {wanted};")
        self._decoder.activate_search("script")

    def hear(self, file: bytes) -> str:
        """The phrase in a WAV file, or nothing. Raises AudioError."""
        speech = self._prepare(file)
        if not len(speech):
            return ""
        with self._one_at_a_time:
            self._decoder.start_utt()
            self._decoder.process_raw(speech.tobytes(), full_utt=True)
            self._decoder.end_utt()
            found = self._decoder.hyp()
        if found is None or found.score < LEAST_SCORE:
            return ""
        # A phrase heard in part is no phrase.
        return self._phrases.get(found.hypstr, "")

    def _prepare(self, file: bytes) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        """The speech alone, at RATE, between short pauses with a little hiss."""
        try:
            with wave.open(io.BytesIO(file)) as clip:
                rate, channels, width = (
                    clip.getframerate(),
                    clip.getnchannels(),
                    clip.getsampwidth(),
                )
                raw = clip.readframes(clip.getnframes())
        except (wave.Error, EOFError) as error:
            raise AudioError(f"send a WAV file of 16-bit samples ({error})") from error
        if width != 2:
            raise AudioError(f"send a WAV file of 16-bit samples, not of {width * 8}")
        samples = np.frombuffer(raw, np.int16).reshape(-1, channels).mean(axis=1)
        samples = soxr.resample(samples, rate, RATE)
        loud = np.flatnonzero(np.abs(samples) > LOUD)
        if not len(loud):
            return np.zeros(0, np.int16)
        speech = np.concatenate([MARGIN, samples[loud[0] : loud[-1] + 1], MARGIN])
        speech += self._noise.normal(0, HISS, len(speech))
        return np.clip(speech, -32768, 32767).astype(np.int16)
