#!/usr/bin/python
"""Ansible module: drain a colour."""

from __future__ import annotations

DOCUMENTATION = r"""
module: releve_drain
short_description: Cordon a colour, and tell whether it is drained
description:
  - With O(cordon) the colour gets no new calls; those that go on are left alone.
  - Drained is the server's word that no agent of the colour is in any room, as the gateway
    computes it.
  - A colour that gets new rooms is refused, and any while a rollout is in progress.
options:
  socket: {description: The gateway's admin socket., type: path, required: true}
  colour: {description: "Which one; by default the one without weight.", type: str}
  cordon: {description: Cordon it., type: bool, default: false}
  by: {description: "Who decides, for the gateway's record.", type: str, default: playbook}
  wait: {description: "Seconds to wait until it is drained, at most.", type: float}
  progress: {description: File to which the state is written meanwhile., type: path}
attributes:
  check_mode: {support: full, description: Cordons nothing and does not wait.}
author: [Relève]
"""

EXAMPLES = r"""
- name: Wait until nobody of the old release is in a room
  releve_drain:
    socket: /var/lib/releve/eloquence/run/admin.sock
    cordon: true
    wait: 7200
"""

RETURN = r"""
colour: {description: The colour., returned: success, type: str}
state: {description: "active, draining or drained.", returned: success, type: str}
calls: {description: Its calls by the server's word., returned: success, type: int}
checked: {description: When the server was asked., returned: success, type: str}
said: {description: All of it as a sentence., returned: success, type: str}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.finalize import drain
from ansible.module_utils.gateway import Gateway, GatewayError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "colour": {"type": "str"},
            "cordon": {"type": "bool", "default": False},
            "by": {"type": "str", "default": "playbook"},
            "wait": {"type": "float"},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params, gateway = module.params, Gateway(module.params["socket"])
    progress = Path(params["progress"]) if params["progress"] else None

    def tell(text: str) -> None:
        if progress is not None:
            progress.write_text(f"{text}\n", encoding="utf-8")

    changed = False
    try:
        colour = drain.choose(gateway.decisions(), params["colour"])
        if params["cordon"]:
            changed = drain.cordon(gateway, colour, params["by"], module.check_mode)
        if params["wait"] is not None and not module.check_mode:
            found = drain.wait(gateway, colour, params["wait"], tell)
        else:
            found = drain.look(gateway, colour)
    except (drain.DrainError, GatewayError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, said=str(found), **found._asdict())


if __name__ == "__main__":
    main()
