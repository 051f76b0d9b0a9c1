"""The Docker Engine of the host on which a module runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def docker_client(module: Any) -> Any:
    """A connected `docker.DockerClient`; ends the module with a sentence when there is none."""
    client, why = engine()
    if client is None:
        module.fail_json(msg=f"{why}; run playbooks/engine.yml")
    return client


def engine() -> tuple[Any, str | None]:
    """A connected `docker.DockerClient`, or None and why there is none."""
    try:
        import docker
    except ImportError:
        return None, "the Docker SDK for Python is missing on this host"
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except docker.errors.DockerException as error:
        return None, f"no Docker Engine answers on this host ({error})"
    return client, None


def said_in(container: Any, argv: Sequence[str], **how: Any) -> str | None:
    """What a program prints in a container; None when it fails, or the container runs none just
    now because it is paused, starts again or has ended. `how` goes to the SDK's `exec_run`."""
    from docker.errors import APIError

    try:  # a warning would spoil what it prints
        code, output = container.exec_run(list(argv), stderr=False, **how)
    except APIError:
        return None
    return output.decode(errors="replace").strip() if code == 0 else None


def post(client: Any, path: str, body: dict[str, Any], **params: str) -> dict[str, Any]:
    """What the engine answers to a body as its API takes it. Raises docker's errors.

    The SDK builds bodies of its own from options it knows; an inspected container has more.
    """
    api = client.api
    url = f"{api.base_url}/v{api.api_version}/{path}"
    answer = api.post(url, params=params, json=body)
    api._raise_for_status(answer)
    return dict(answer.json()) if answer.content else {}
