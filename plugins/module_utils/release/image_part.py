"""What an image contributes to its container, and what is the owner's.

The engine adds an image's settings to those that a container is made with, and its inspect shows
the sum. `own` takes the sum apart; `merged` does what the engine does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Whole settings: the container's where it has one, else the image's.
WHOLE = ("User", "WorkingDir", "StopSignal", "Shell")
# Part by part.
MAPS = ("Labels", "ExposedPorts", "Volumes", "Healthcheck")
# The engine's own, or about one start of one container.
NOT_KEPT = ("Image", "Hostname", "Domainname", "OnBuild", "ArgsEscaped", "MacAddress")
NOT_KEPT_EITHER = ("AttachStdin", "AttachStdout", "AttachStderr", "ContainerIDFile")
RESET = [""]  # an entrypoint that takes the image's away and is none


def variables(env: Iterable[str] | None) -> dict[str, str]:
    """An environment by name."""
    return dict(item.partition("=")[::2] for item in env or ())


def own(config: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a container's Config that its image (its Config) did not contribute.

    A variable that the image has and the container has not is named without a value, which
    takes it away from the next image, too.
    """
    found = {
        key: value
        for key, value in config.items()
        if key not in (*WHOLE, *MAPS, *NOT_KEPT, *NOT_KEPT_EITHER, "Env", "Cmd", "Entrypoint")
    }
    found |= {
        key: config[key] for key in WHOLE if config.get(key) and config[key] != image.get(key)
    }
    for key in MAPS:
        theirs = image.get(key) or {}
        found[key] = {
            name: value
            for name, value in (config.get(key) or {}).items()
            if name not in theirs or theirs[name] != value
        }
    here, theirs = variables(config.get("Env")), variables(image.get("Env"))
    found["Env"] = [
        *(f"{name}={value}" for name, value in here.items() if theirs.get(name) != value),
        *(name for name in theirs if name not in here),
    ]
    return found | _own_start(config, image)


def _own_start(config: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """An entrypoint of the owner's takes the image's command away, so both are the owner's then."""
    entrypoint, command = config.get("Entrypoint") or None, config.get("Cmd") or None
    same_command = command == (image.get("Cmd") or None)
    if entrypoint != (image.get("Entrypoint") or None) or not (same_command or command):
        return {"Entrypoint": entrypoint or RESET, "Cmd": command}
    return {} if same_command else {"Cmd": command}


def merged(config: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The Config that the engine makes of a container's own and its image's."""
    found = dict(config)
    found |= {key: image[key] for key in WHOLE if not config.get(key) and image.get(key)}
    for key in MAPS:
        found[key] = (image.get(key) or {}) | (config.get(key) or {})
    here, theirs = list(config.get("Env") or ()), variables(image.get("Env"))
    named = {item.partition("=")[0] for item in here}
    found["Env"] = [
        *(item for item in here if "=" in item),
        *(f"{name}={value}" for name, value in theirs.items() if name not in named),
    ]
    if not config.get("Entrypoint"):
        if not config.get("Cmd"):
            found["Cmd"] = image.get("Cmd")
        found["Entrypoint"] = image.get("Entrypoint")
    elif config["Entrypoint"] == RESET:
        found["Entrypoint"] = None
    return found
