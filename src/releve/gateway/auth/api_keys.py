"""The API keys in force: read again when their file changes, so that rotation needs no restart."""

from __future__ import annotations

import logging
from pathlib import Path

from releve import keys
from releve.keys import Keys

log = logging.getLogger(__name__)

Signature = tuple[int, int, int]


class Keyring:
    """The first pair of the file is the one that the gateway itself uses; workers may use any."""

    def __init__(self, path: Path) -> None:
        """Raises KeysError when the file cannot be used."""
        self._path = path
        self._seen = self._signature()
        self._pairs = keys.load_all(path)

    @property
    def pairs(self) -> tuple[Keys, ...]:
        """All pairs in force."""
        self._refresh()
        return self._pairs

    @property
    def current(self) -> Keys:
        """The pair for what the gateway signs."""
        return self.pairs[0]

    def find(self, api_key: str) -> Keys | None:
        """The pair of that key, None when it is not (or not any more) in force."""
        return next((pair for pair in self.pairs if pair.api_key == api_key), None)

    def _signature(self) -> Signature | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _refresh(self) -> None:
        now = self._signature()
        if now == self._seen:
            return
        self._seen = now
        try:
            self._pairs = keys.load_all(self._path)
        except keys.KeysError as error:
            # Half a rotation must not lock the workers out: the file is read again when it changes.
            log.error("keys not changed", extra={"why": str(error)})
        else:
            log.info("keys read again", extra={"keys": [pair.api_key for pair in self._pairs]})
