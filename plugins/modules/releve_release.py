#!/usr/bin/python
"""Ansible module: a release beside what is in service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_release
short_description: Run a release as a container made from the one in service
description:
  - Takes everything from the container in service as the engine knows it, less what its image
    contributed, its published ports, its names and Compose's labels, and changes what I(release)
    says. The result registers at the gateway.
  - A container of that name is replaced when its definition is another. Whether it may be, because
    it holds no calls, is the caller's to know.
  - Refuses by a sentence an image that is not there, a setting of a release that is none, a release
    without a difference, files to mount that are not there, and files that only one process may
    have open.
options:
  source: {description: Name or id of the container in service., type: str, required: true}
  name: {description: Name of the release's container., type: str, required: true}
  stack: {description: Name of the stack., type: str, required: true}
  colour: {description: Where the release stands., type: str, required: true}
  release:
    description:
      - What differs, as in docs/release.md. I(release.image) and I(release.build) are for whoever
        has the image brought here; the module takes I(image).
    type: dict
    required: true
  image:
    description: The release's image, by id or reference; that of the container in service else.
    type: str
  gateway_url: {description: Where its worker registers., type: str, required: true}
  hardened_user:
    description: With it the container may do little and runs as this uid:gid.
    type: str
  shares:
    description: Shares of a processor, where they are to be others than the definition's.
    type: int
  may_be_same:
    description: A release that differs in nothing from the one in service is no mistake.
    type: bool
    default: false
  only_look:
    description:
      - Answer as in check mode; but a hardened container of an image that was not built here is
        started once for C(--help), without network or writing.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Changes nothing. Files to mount may be those of a step that has not been.
author: [Relève]
"""

EXAMPLES = r"""
- name: What would green be
  releve_release:
    source: eloquence-agent-1
    name: eloquence-agent-green
    stack: eloquence
    colour: green
    release: {image: "registry.example/agent:1.1.3", environment: {OPENAI_MODEL: gpt-4o}}
    image: registry.example/agent:1.1.3
    gateway_url: ws://dispatch-gateway:7891
    only_look: true
"""

RETURN = r"""
definition:
  description: Every setting of the release's container by a name for people, no secret's value.
  returned: success
  type: dict
differences:
  description: Those that differ, each with C(what), C(before), C(after) and C(by).
  returned: success
  type: list
lines: {description: The same as lines of text., returned: success, type: list}
notes: {description: Sentences about what to know before., returned: success, type: list}
differs: {description: Whether it is to be made or changed., returned: success, type: bool}
same: {description: Whether it is in service already., returned: success, type: bool}
replaces: {description: Whether one of that name is replaced., returned: success, type: bool}
image: {description: C(id) and C(digests) of its image., returned: success, type: dict}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_host import docker_client
from ansible.module_utils.images import SOURCE_LABEL
from ansible.module_utils.release import redaction
from ansible.module_utils.release.container import Container
from ansible.module_utils.release.definition import Place
from ansible.module_utils.release.difference import as_evidence, told
from ansible.module_utils.release.preflight import Engine, Looked
from ansible.module_utils.release.wanted import ReleaseError, read


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "stack": {"type": "str", "required": True},
            "colour": {"type": "str", "required": True},
            "release": {"type": "dict", "required": True},
            "image": {"type": "str"},
            "gateway_url": {"type": "str", "required": True},
            "hardened_user": {"type": "str"},
            "shares": {"type": "int"},
            "may_be_same": {"type": "bool", "default": False},
            "only_look": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    client = docker_client(module)
    from docker.errors import DockerException, NotFound

    asked = module.params
    # What Ansible prints of a task's arguments must tell no secret either.
    printed = {"module_args": asked | {"release": _told(asked["release"])}}
    place = Place(asked["stack"], asked["colour"], asked["gateway_url"], asked["hardened_user"])
    try:
        release = read(asked["release"])
        looked = Engine(client, NotFound).look(
            asked["source"], asked["image"] or None, release, place, check=module.check_mode
        )
        if not asked["may_be_same"]:
            looked.refuse_same()
        container = Container(client, asked["name"], NotFound)
        look = module.check_mode or asked["only_look"]
        outcome = container.ensure(looked.definition, asked["shares"], looked.files, look)
        notes = list(looked.notes)
        if asked["only_look"] and not module.check_mode and place.user and outcome.changed:
            notes += _tried(container, looked)
    except ReleaseError as error:
        module.fail_json(msg=str(error), invocation=printed)
    except DockerException as error:
        said = getattr(error, "explanation", None) or error
        module.fail_json(msg=f"the engine does not run {asked['name']}: {said}", invocation=printed)
    module.exit_json(
        changed=outcome.changed and not asked["only_look"],
        differs=outcome.changed,
        replaces=outcome.replaces,
        same=looked.same,
        definition=told(looked.settings),
        differences=as_evidence(looked.found),
        lines=[str(one) for one in looked.found],
        notes=notes,
        image={
            "id": looked.definition.image["Id"],
            "digests": looked.definition.image.get("RepoDigests") or [],
        },
        invocation=printed,
    )


def _tried(container: Container, looked: Looked) -> list[str]:
    labels = looked.definition.image["Config"].get("Labels") or {}
    if SOURCE_LABEL in labels:  # ours, which is hardened always
        return []
    unknown = container.try_help(looked.definition, looked.files)
    return [unknown] if unknown else []


def _told(release: dict[str, Any]) -> dict[str, Any]:
    maps = {
        name: redaction.told(value)
        for name, value in release.items()
        if name != "build" and isinstance(value, dict)
    }
    build = release.get("build")
    if isinstance(build, dict) and isinstance(build.get("args"), dict):
        maps["build"] = build | {"args": redaction.told(build["args"])}
    return release | maps


if __name__ == "__main__":
    main()
