#!/usr/bin/python
# Copyright: Relève contributors
# Apache-2.0
"""Thin module over module_utils.images: each image present, else pulled, else built."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_image
short_description: Images that are present, else pulled, else built
description:
  - A local image of a wanted name is used as it is; one without C(pull) only when its label
    C(releve.source) is its digest in I(digests), if that has one. Else it is pulled, where it says
    C(pull). Else it is built from its context with the classic builder, without network unless it
    says C(network).
  - A registry that cannot be reached is asked once.
attributes:
  check_mode:
    support: full
    description: Answers what would be done and changes nothing.
  diff_mode:
    support: none
    description: Images have no text to compare.
  idempotent:
    support: full
    description: A second run finds every image present.
options:
  images:
    description:
      - By short name, a dictionary with C(name) (repository and tag) and, where a registry has it,
        C(pull) (the reference there). C(network) lets its build reach one. With
        C(newest) the registry is asked also where an image of that name is here, which is used
        where the registry gives none. Other keys are not read.
    type: dict
    required: true
  digests:
    description: By short name, the digest of its sources; becomes the label C(releve.source).
    type: dict
    default: {}
  contexts:
    description: By short name, the packed build context (tar) on the target.
    type: dict
    default: {}
  buildargs:
    description: Build arguments.
    type: dict
    default: {}
  pull:
    description: Whether registries may be asked.
    type: bool
    default: true
  timeout:
    description: Seconds without a word from the engine after which a pull or a build has failed.
    type: int
    default: 300
requirements: ["docker (Python) >= 5.0.3"]
author: ["Relève contributors"]
"""

EXAMPLES = r"""
- name: Have the server's image
  releve_image:
    images:
      server:
        name: livekit/livekit-server:v1.9.0
        pull: livekit/livekit-server:v1.9.0
"""

RETURN = r"""
images:
  description: By short name, C(name), C(how) it came to be here, C(id), C(digests), C(seconds).
  type: dict
  returned: success
missing:
  description: Short names that are neither here nor in a registry, and have no context.
  type: list
  elements: str
  returned: success
refused:
  description: References that a registry does not give, each with its reason.
  type: dict
  returned: success
out_of_reach:
  description: Registries that cannot be reached, each with the reason.
  type: dict
  returned: success
"""

import traceback
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.images import ImageError, Images, Wanted

try:
    import docker
    import docker.errors
    import requests.exceptions
except ImportError:
    MISSING = traceback.format_exc()
else:
    MISSING = None


def main():
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "digests": {"type": "dict", "default": {}},
            "contexts": {"type": "dict", "default": {}},
            "buildargs": {"type": "dict", "default": {}},
            "pull": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("docker"), exception=MISSING)
    asked = module.params
    failures = (docker.errors.DockerException, requests.exceptions.RequestException)
    found = {}
    try:
        client = docker.from_env(timeout=asked["timeout"])
        images = Images(client, docker.errors.NotFound, failures, asked["pull"])
        for short, image in asked["images"].items():
            context = asked["contexts"].get(short)
            wanted = Wanted(
                name=image["name"],
                source=asked["digests"].get(short),
                pull=image.get("pull"),
                context=Path(context) if context else None,
                buildargs=asked["buildargs"],
                network=image.get("network", False),
                newest=image.get("newest", False),
            )
            found[short] = images.ensure(wanted, dry=module.check_mode)
    except (ImageError, OSError, *failures) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=any(image and image.how != "present" for image in found.values()),
        images={short: asdict(image) for short, image in found.items() if image},
        missing=[short for short, image in found.items() if not image],
        out_of_reach=images.out_of_reach,
        refused=images.refused,
    )


if __name__ == "__main__":
    main()
