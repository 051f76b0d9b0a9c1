"""An image without a registry, for tests that need a container and not what runs in it."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from typing import Any


def tiny_image(client: Any, name: str, changes: Sequence[str] = ()) -> str:
    """An image that can sleep, made of this host's own files: no registry is asked. `changes` are
    lines of a Dockerfile."""
    sleep = shutil.which("sleep") or "/bin/sleep"
    linked = subprocess.run(["ldd", sleep], capture_output=True, text=True, check=True).stdout
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(os.path.realpath(sleep), "sleep")
        for library in sorted(set(re.findall(r"(/\S+)", linked))):
            tar.add(os.path.realpath(library), library)
    client.api.import_image_from_data(
        out.getvalue(), repository=name, tag="1", changes=list(changes)
    )
    return str(client.images.get(f"{name}:1").id)
