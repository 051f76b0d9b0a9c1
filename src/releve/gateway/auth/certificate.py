"""The certificate that workers are shown: read again when its files change, so that a renewal
needs no restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

Signature = tuple[tuple[int, int, int], ...]


class CertificateError(ValueError):
    """The files cannot be used; the message says which."""


class Certificate:
    """`context` is for a listener; connections that are open keep what they were shown."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises CertificateError."""
        self._cert, self._key = cert, key
        self._seen = self._signature()
        self.context = self._loaded()

    async def run(self) -> None:
        """Look for new files until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Read the files again if they have changed."""
        now = self._signature()
        if now == self._seen:
            return
        self._seen = now
        try:
            self._loaded()  # a pair that does not fit, half of a renewal, must not be put in force
            self.context.load_cert_chain(self._cert, self._key)
        except (CertificateError, OSError) as error:
            log.error("certificate not changed", extra={"why": str(error)})
        else:
            log.info("certificate read again", extra={"certificate": str(self._cert)})

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._cert, self._key)
        except OSError as error:  # ssl.SSLError is one
            text = f"worker_cert {self._cert} with worker_key {self._key} cannot be used: {error}"
            raise CertificateError(text) from error
        return context

    def _signature(self) -> Signature | None:
        try:
            stats = [path.stat() for path in (self._cert, self._key)]
        except OSError:
            return None
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)
