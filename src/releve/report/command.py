"""The command that an operator is told to type next, with all that chooses its host and stack.

For plugins: it reads the options of the `ansible-playbook` that is running.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ansible import context
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars


def shown(path: Path) -> str:
    """A path as somebody standing here would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def next_command(*playbooks: Path, stack: str | None = None, further: str = "") -> str:
    """`ansible-playbook -i <inventory> <playbooks>`, for the host and the stack of this run.

    It repeats the inventories of the run, its --limit, its files of extra variables, and `stack`
    where the run was given one. Other extra variables may be secret, or meant once: they are left
    out. Another `stack` may be named here; `further` ends the command.
    """
    words = ["ansible-playbook"]
    for source in context.CLIARGS.get("inventory") or ():
        if "," in source:  # a list of hosts
            words += ["-i", source]
        elif Path(source).exists():  # else it is Ansible's default, which nobody has made
            words += ["-i", shown(Path(source).absolute())]
    if limit := context.CLIARGS.get("subset"):
        words += ["--limit", limit]
    words += map(shown, playbooks)
    given = [str(each) for each in context.CLIARGS.get("extra_vars") or ()]
    files = [each.removeprefix("@") for each in given if each.startswith("@")]
    for file in files:
        words += ["-e", f"@{shown(Path(file).absolute())}"]
    if stack is None and len(given) > len(files):
        stack = load_extra_vars(DataLoader()).get("stack")
    if stack is not None:
        words += ["-e", f"stack={stack}"]
    return f"{shlex.join(words)} {further}".rstrip()
