"""The name by which a gateway and its successors are one, in contrast to another beside it."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from pathlib import Path

log = logging.getLogger(__name__)


def load(state_file: Path) -> str:
    """Beside the state file, which a successor reads as well; made when there is none yet."""
    path = state_file.with_name(state_file.name + ".id")
    made = f"GW_{secrets.token_hex(6)}"
    try:
        with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(made)
        kept = path.read_text(encoding="utf-8").strip()
        if re.fullmatch(r"GW_[0-9a-f]{12}", kept):
            return kept
        path.write_text(made, encoding="utf-8")
    except OSError as error:
        why = {"file": str(path), "why": str(error)}
        log.warning("a successor will not know the calls of this gateway", extra=why)
    return made
