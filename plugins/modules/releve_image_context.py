#!/usr/bin/python
# Copyright: Relève contributors
# Apache-2.0
"""Thin module over module_utils.images: the digest of an image's sources, and its build context."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_image_context
short_description: Digest the sources of images, and pack a build context
description:
  - Returns the digest of the C(sources) of every image, build arguments included. With I(pack),
    also packs that image's C(sources) and C(made) as a tar.
attributes:
  check_mode:
    support: full
    description: Digests are returned, nothing is packed.
  diff_mode:
    support: none
    description: A tar has no text to compare.
  idempotent:
    support: partial
    description: Without I(pack) it changes nothing; with it, it packs every time.
options:
  images:
    description:
      - By short name, a dictionary with C(sources), a list of files or folders (C(src)) and their
        name in the context (C(dest)), and C(made), more such files that follow from the sources
        (installed packages, a compiled program) and are not in the digest.
    type: dict
    required: true
  buildargs:
    description: Build arguments; part of the digests.
    type: dict
    default: {}
  pack:
    description: Short name of the image to pack.
    type: str
  dest:
    description: The tar to write, compressed where its name ends in C(.tar.gz).
    type: path
author: ["Relève contributors"]
"""

EXAMPLES = r"""
- name: Digest the agent
  releve_image_context:
    images:
      green:
        sources:
          - {src: agent_src/green, dest: .}
"""

RETURN = r"""
digests:
  description: By short name, sha256 of the sources.
  type: dict
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.images import ImageError, pack, source_digest


def files(image, key):
    return [(Path(item["src"]), item["dest"]) for item in image.get(key, [])]


def main():
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "buildargs": {"type": "dict", "default": {}},
            "pack": {"type": "str"},
            "dest": {"type": "path"},
        },
        required_together=[("pack", "dest")],
        supports_check_mode=True,
    )
    images, packed = module.params["images"], module.params["pack"]
    try:
        digests = {
            short: source_digest(files(image, "sources"), module.params["buildargs"])
            for short, image in images.items()
        }
        if packed and not module.check_mode:
            image = images[packed]
            pack(files(image, "sources") + files(image, "made"), Path(module.params["dest"]))
    except (ImageError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=packed is not None, digests=digests)


if __name__ == "__main__":
    main()
