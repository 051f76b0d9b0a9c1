"""The LiveKit API key pair, read from a secret file and never from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml


class KeysError(ValueError):
    """The keys file cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Keys:
    """One API key and its secret; the secret never shows in a repr."""

    api_key: str
    secret: str = field(repr=False)


def load(path: Path) -> Keys:
    """The first pair of a LiveKit `keys:` map; raises KeysError as `load_all` does."""
    return load_all(path)[0]


def load_all(path: Path) -> tuple[Keys, ...]:
    """Read all pairs of a LiveKit `keys:` map (`<api key>: <api secret>` lines), in their order.

    Raises KeysError when the file is missing, unreadable or holds no pair.
    """
    try:
        pairs = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeysError(f"keys file {path}: {error.strerror}; mount it or fix its mode") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KeysError(f"keys file {path}: not YAML; write `<api key>: <api secret>`") from error
    if not isinstance(pairs, dict) or not pairs:
        raise KeysError(f"keys file {path}: holds no key; write `<api key>: <api secret>`")
    for api_key, secret in pairs.items():
        if not (isinstance(api_key, str) and isinstance(secret, str) and secret):
            raise KeysError(f"keys file {path}: key and secret must both be text; quote them")
    return tuple(Keys(api_key, secret) for api_key, secret in pairs.items())
