"""A repository that opens at once. restic spends half a second of a processor on turning the
password into a key, at every start; what the tests promise does not depend on how long that takes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.poly1305 import Poly1305


def make_quick(repository: Path, password_file: Path) -> None:
    """Seal the one key of a local repository anew, for the same password, with the least work."""
    password = password_file.read_bytes().strip()
    (path,) = (repository / "keys").iterdir()
    key = json.loads(path.read_bytes())
    plain = _crypt(_derive(password, key), base64.b64decode(key["data"])[:-16])
    key |= {"N": 2, "r": 1, "p": 1}
    derived, start = _derive(password, key), os.urandom(16)
    sealed = _crypt(derived, start + plain)
    tag = Poly1305.generate_tag(_one_time(derived, start), sealed)
    key["data"] = base64.b64encode(start + sealed + tag).decode()
    content = json.dumps(key).encode()
    path.unlink()
    (repository / "keys" / hashlib.sha256(content).hexdigest()).write_bytes(content)


def _derive(password: bytes, key: dict[str, str | int]) -> bytes:
    """64 bytes: 32 to encrypt with, 32 to sign with."""
    cost = {name.lower(): int(key[name]) for name in ("N", "r", "p")}
    salt = base64.b64decode(str(key["salt"]))
    return hashlib.scrypt(password, salt=salt, maxmem=256 * 2**20, dklen=64, **cost)


def _crypt(derived: bytes, content: bytes) -> bytes:
    """Either way; the first 16 bytes say where the stream starts."""
    return Cipher(AES(derived[:32]), CTR(content[:16])).encryptor().update(content[16:])


def _one_time(derived: bytes, start: bytes) -> bytes:
    """The key of one signature, of Poly1305 as its author combined it with AES."""
    block = Cipher(AES(derived[32:48]), ECB()).encryptor().update(start)  # noqa: S305
    return derived[48:] + block
