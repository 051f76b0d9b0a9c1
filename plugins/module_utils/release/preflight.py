"""A release looked at before anything is changed: what it would be, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import container, hardened, host, mounts
from .definition import Definition, Place, define
from .difference import Difference, differences, settings
from .wanted import Release, ReleaseError


@dataclass(frozen=True)
class Looked:
    """A release on one engine: its definition and `settings`, what differs, sentences for people;
    `files` is what the container is given before its start; `same` says that it differs in nothing
    from the one in service."""

    definition: Definition
    settings: dict[str, str]
    found: list[Difference]
    notes: list[str]
    files: bytes | None
    same: bool

    def refuse_same(self) -> None:
        """Raises ReleaseError for a release that is in service already."""
        if self.same:
            raise ReleaseError(
                "the release differs in nothing from what is in service; set `release` to an image "
                "or to what is to be another"
            )


class Engine:
    """Looks through a `docker.DockerClient`; `not_found` is what that raises for what is absent."""

    def __init__(self, client: Any, not_found: type[Exception]) -> None:
        self._client = client
        self._not_found = not_found

    def look(
        self, source: str, image: str | None, release: Release, place: Place, check: bool = False
    ) -> Looked:
        """The release of `image` (a reference or an id, None for the one in service) beside the
        container `source`. Raises ReleaseError where it cannot be, by a sentence.

        With `check`, files to mount may be such as an earlier step would have made.
        """
        current = self._container(source)
        attrs = current.attrs
        theirs = self._image(attrs["Image"], f"what {current.name} was made from")
        chosen = self._image(image, "the release's image") if image else theirs
        variables = host.variables_of(release.env_files)
        changed = container.written(current)
        files = container.put_in(current, changed)
        definition = define(attrs, theirs, chosen, release, place, variables, files)
        absent = host.missing(definition.body["HostConfig"])
        if absent and not check:
            raise ReleaseError("; ".join(absent))
        if files and place.user:
            raise ReleaseError(
                "secrets of the one in service lie in its own file system, and a hardened "
                "container cannot be given them there: name files with them in release.secrets"
            )
        self._refuse_locked(current, definition, release)
        nothing = define(attrs, theirs, theirs, Release(), place)
        before, unchanged = _settings(attrs, theirs), _settings(nothing.shown(), theirs)
        after = _settings(definition.shown(), chosen)
        notes = self._notes(current, definition)
        notes += [f"{one} yet; unless a step of the run makes it, put it there" for one in absent]
        if place.user:
            mounted = mounts.of_host(definition.body["HostConfig"])
            broken = hardened.breaks(attrs, changed, mounted, place.user)
            notes += [f"hardened, it could break: {one}" for one in broken]
        found = differences(before, unchanged, after)
        return Looked(definition, after, found, notes, files, same=unchanged == after)

    def _container(self, source: str) -> Any:
        try:
            return self._client.containers.get(source)
        except self._not_found as error:
            raise ReleaseError(f"the container in service, {source}, is not there") from error

    def _image(self, image: str, what: str) -> Mapping[str, Any]:
        try:
            return dict(self._client.images.get(image).attrs)
        except self._not_found as error:
            raise ReleaseError(f"{what}, {image}, is not on this host") from error

    def _refuse_locked(self, current: Any, definition: Definition, release: Release) -> None:
        """What the release itself names is its owner's to know."""
        both = host.shared(current.attrs, definition.body["HostConfig"])
        places = [place for place in both if place not in release.volumes]
        if current.attrs["State"]["Running"] and places:
            for file in sorted(host.kept_locked(current.attrs["State"]["Pid"], places)):
                place = next(one for one in places if file.startswith(f"{one}/"))
                raise ReleaseError(
                    f"{file} is locked by {current.name} as long as it runs ({both[place]}): a "
                    "second process cannot open it. Give the release another place: "
                    f"`release.volumes: {{{place}: <a volume of its own>}}`, or name this one "
                    "there if both may have it"
                )

    def _notes(self, current: Any, definition: Definition) -> list[str]:
        notes = []
        left = definition.left
        if left["aliases"]:
            notes.append(
                f"the name {', '.join(left['aliases'])} on the network stays with {current.name}"
            )
        if left["ports"]:
            notes.append(f"the published ports {', '.join(left['ports'])} stay with {current.name}")
        for place, one in host.shared(current.attrs, definition.body["HostConfig"]).items():
            notes.append(f"both write to {place} ({one}) while both run")
        for place, one in mounts.of_host(definition.body["HostConfig"]).items():
            if one.kind == "volume" and not self._is_there(one.source):
                notes.append(
                    f"the volume {one.source} at {place} is not there and will be made, empty"
                )
        if definition.body["HostConfig"]["NetworkMode"] == "host":
            notes.append(
                "both have the host's own network: a port that the agent listens on must be "
                "another one in the release"
            )
        return notes

    def _is_there(self, volume: str) -> bool:
        try:
            self._client.volumes.get(volume)
        except self._not_found:
            return False
        return True


def _settings(container: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, str]:
    """With the image by a name that people know, and by what it is."""
    names = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
    short = image["Id"].removeprefix("sha256:")[:12]
    return settings(container) | {"image": f"{names[0]} ({short})" if names else image["Id"]}
