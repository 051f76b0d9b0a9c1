"""Settings of a coach, of either colour: the environment says where its services are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from texts import TEXTS

LANGUAGE = os.environ.get("COACH_LANGUAGE", "en")
SILENCE_SECONDS = 0.4  # after which speech has ended


class SettingsError(ValueError):
    """A setting in the environment is wrong; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One service."""

    url: str
    model: str
    key: str


def endpoint(service: str, model: str, env: Mapping[str, str] = os.environ) -> Endpoint:
    """COACH_<SERVICE>_URL, _MODEL and _KEY_FILE; the URL of all is COACH_URL. Raises SettingsError.

    A service without a key file is sent a word that is none.
    """
    prefix = f"COACH_{service}"
    url = env.get(f"{prefix}_URL") or env.get("COACH_URL") or "http://speech:8080/v1"
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"{prefix}_URL {url!r} does not begin with http:// or https://")
    key, file = "none", env.get(f"{prefix}_KEY_FILE")
    if file:
        try:
            key = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{prefix}_KEY_FILE {file}: {error.strerror}") from error
    return Endpoint(url, env.get(f"{prefix}_MODEL") or model, key)


def hearing() -> Endpoint:
    """What transcribes."""
    return endpoint("STT", "pocketsphinx")


def thinking(language: str) -> Endpoint:
    """What answers."""
    return endpoint("LLM", f"coach-{language}")


def speaking() -> Endpoint:
    """What speaks."""
    return endpoint("TTS", "espeak-ng")


def service_seconds(env: Mapping[str, str] = os.environ) -> float:
    """How long one service may take before its answer counts as none. Raises SettingsError."""
    told = env.get("COACH_SERVICE_SECONDS") or "5"
    try:
        seconds = float(told)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise SettingsError(f"COACH_SERVICE_SECONDS {told!r} is not a number of seconds up to 60")
    return seconds


def voice(language: str) -> str:
    """The voice's name, as its service knows it."""
    return os.environ.get("COACH_TTS_VOICE") or language


def wrong_setting() -> str | None:
    """What to change in the environment, if anything."""
    try:
        for service in ("STT", "LLM", "TTS"):
            endpoint(service, model="")
        service_seconds()
    except SettingsError as error:
        return str(error)
    if LANGUAGE not in TEXTS:
        return f"COACH_LANGUAGE {LANGUAGE!r} is not one of {', '.join(TEXTS)}"
    return None
