"""The container of a colour, brought to its definition on the engine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..docker_host import post
from ..stack import STACK
from . import mounts
from .definition import DEFINITION, SECRETS, Definition
from .wanted import ReleaseError

USUAL_SHARES = 1024  # of a processor, what any container has
TRIAL = "-trial"
TRIAL_SECONDS, TRIAL_SHARES = 60, 64  # people talk beside it


@dataclass(frozen=True)
class Outcome:
    """`replaces`: a container of that name is, or would be, removed for this one."""

    changed: bool
    replaces: bool


class Container:
    """One name on one engine, through a `docker.DockerClient`."""

    def __init__(self, client: Any, name: str, not_found: type[Exception]) -> None:
        self._client = client
        self._name = name
        self._not_found = not_found

    def ensure(
        self, definition: Definition, shares: int | None, files: bytes | None, check: bool
    ) -> Outcome:
        """It runs as it is defined. `shares` of a processor, where they are not the definition's;
        `files` are an archive that is unpacked at its root before its start.

        With `check` nothing is changed. Raises ReleaseError, and docker's errors.
        """
        found = self._found(definition)
        wanted = shares or definition.body["HostConfig"].get("CpuShares") or USUAL_SHARES
        same = found is not None and found.labels.get(DEFINITION) == definition.digest
        if same and found is not None:
            weighs = found.attrs["HostConfig"].get("CpuShares") or USUAL_SHARES
            stands = found.attrs["State"]["Running"]
            if not check:
                if weighs != wanted:
                    found.update(cpu_shares=wanted)
                if not stands:
                    found.start()
            return Outcome(changed=not stands or weighs != wanted, replaces=False)
        if not check:
            if found is not None:
                found.stop()
                found.remove(force=True)
            self._make(self._name, definition, {"CpuShares": wanted}, files)
        return Outcome(changed=True, replaces=found is not None)

    def try_help(self, definition: Definition, files: bytes | None) -> str | None:
        """Start it once for `--help`, without a network and without writing to any volume: its
        program is read and imported as it will be. What is not known then, or None.

        Raises ReleaseError with what it said when it fails.
        """
        name = self._name + TRIAL
        self._gone(name)
        shown = definition.shown()
        body = dict(definition.body)
        body["Entrypoint"] = shown["Config"].get("Entrypoint")
        body["Cmd"] = [*(shown["Config"].get("Cmd") or ()), "--help"]
        body.pop("NetworkingConfig", None)
        alone = Definition(body, {}, definition.image)
        host = {
            "NetworkMode": "none",
            "CpuShares": TRIAL_SHARES,
            "RestartPolicy": {"Name": "no"},
            "Binds": [_read_only(bind) for bind in body["HostConfig"].get("Binds") or ()],
            "Mounts": [one | {"ReadOnly": True} for one in body["HostConfig"].get("Mounts") or ()],
            "Links": None,
            "ExtraHosts": None,
        }
        try:
            made = self._make(name, alone, host, files)
            try:
                code = made.wait(timeout=TRIAL_SECONDS)["StatusCode"]
            except Exception:  # a read that took too long, of whichever HTTP library
                made.reload()
                if not made.attrs["State"]["Running"]:
                    raise
                return "asked for --help it ran on, so whether it starts hardened is not known"
            said = made.logs(tail=20).decode(errors="replace").strip().splitlines()
        finally:
            self._gone(name)
        if code != 0:
            why = next((line for line in reversed(said) if line.strip()), f"exit code {code}")
            raise ReleaseError(
                f"the release does not start as a hardened container, it said: {why}. Set "
                "agent_hardened: false, or let it write to what release.tmpfs or release.volumes "
                "mount"
            )
        return None

    def _found(self, definition: Definition) -> Any:
        try:
            found = self._client.containers.get(self._name)
        except self._not_found:
            return None
        if found.labels.get(STACK) != definition.body["Labels"][STACK]:
            raise ReleaseError(
                f"the container {self._name} is not this stack's; rename it, or set "
                "`eloquence_agent_name`"
            )
        return found

    def _make(
        self,
        name: str,
        definition: Definition,
        host: Mapping[str, Any],
        files: bytes | None,
    ) -> Any:
        """Made and started; one that does not start does not stay."""
        body = definition.body | {"HostConfig": definition.body["HostConfig"] | host}
        made = post(self._client, "containers/create", body, name=name)["Id"]
        container = self._client.containers.get(made)
        try:
            for network, settings in definition.networks.items():
                joins = {"Container": made, "EndpointConfig": settings}
                post(self._client, f"networks/{network}/connect", joins)
            if files is not None:
                container.put_archive("/", files)
            container.start()
        except BaseException:
            container.remove(force=True)
            raise
        return container

    def _gone(self, name: str) -> None:
        try:
            self._client.containers.get(name).remove(force=True)
        except self._not_found:
            return


def _read_only(bind: str) -> str:
    source, place, *rest = bind.split(":")
    kept = [word for word in (rest[0].split(",") if rest else ()) if word not in ("rw", "ro")]
    return ":".join([source, place, ",".join(["ro", *kept])])


def written(container: Any) -> list[str]:
    """Paths that a container has changed in its own file system, in what was not mounted."""
    return [str(one["Path"]) for one in container.diff() or ()]


def put_in(container: Any, changed: Iterable[str]) -> bytes | None:
    """Secrets that Compose has put into a container's own file system, where no mount shows them:
    those made of a variable or of text. An archive to unpack at the root, None where there is none.
    """
    mounted = mounts.of_host(container.attrs["HostConfig"])
    paths = [one for one in changed if one.startswith(f"{SECRETS}/") and one not in mounted]
    if not paths:
        return None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        folder = tarfile.TarInfo(SECRETS.lstrip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for path in sorted(paths):
            stream, _ = container.get_archive(path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as one:
                for member in one:
                    if member.isfile():
                        content = one.extractfile(member)
                        member.name = path.lstrip("/")
                        archive.addfile(member, content)
    return out.getvalue()
