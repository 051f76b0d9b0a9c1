"""Run by an agent's own Python, with nothing else there: do these files import, and fit the SDK?

    python -P trial.py FILE …

The last line of stdout is {"FILE": {"import": null | error, "worker": whether it runs one,
"wrong": [[first line, last line, error], …]}}: wrong is every dotted name that begins at one of the
file's imports and does not exist, and every call of such a name that does not take the arguments it
is given. `cli.run_app` is not run.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PATH = list(sys.path)


def reach(node: ast.AST, names: dict[str, Any]) -> Any:
    """The object a dotted name stands for; KeyError where it does not begin at an import."""
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(reach(node.value, names), node.attr)
    raise KeyError


def imported(path: Path, number: int) -> ModuleType:
    """The module, imported as itself: not as the program, and with its own folder on the path."""
    sys.path[:] = [str(path.parent), *PATH]
    spec = importlib.util.spec_from_file_location(f"tried_{number}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imports(tree: ast.Module, module: ModuleType) -> dict[str, Any]:
    """What the file's imports at its top stand for, by their names in it."""
    found = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    local = {alias.asname or alias.name.split(".")[0] for n in found for alias in n.names}
    return {name: getattr(module, name) for name in local if hasattr(module, name)}


def worker(tree: ast.Module, names: dict[str, Any]) -> bool:
    """Whether `cli.run_app` is called somewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            try:
                if reach(node.func, names) is not_run:
                    return True
            except (KeyError, AttributeError):
                continue
    return False


def not_run(*_args: object, **_options: object) -> None:
    """Stands where `cli.run_app` was."""


def wrong(tree: ast.Module, names: dict[str, Any]) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Call):
            continue
        try:
            if isinstance(node, ast.Attribute):
                reach(node, names)
            else:
                called = reach(node.func, names)
                given = [0 for arg in node.args if not isinstance(arg, ast.Starred)]
                keywords = {k.arg: 0 for k in node.keywords if k.arg}
                inspect.signature(called).bind(*given, **keywords)
        except (KeyError, ValueError):  # not at an import; a builtin without a signature
            continue
        except (AttributeError, TypeError) as error:
            last = node.end_lineno or node.lineno
            yield node.lineno, last, f"{type(error).__name__}: {error}"


def main(files: list[str]) -> None:
    out, sys.stdout = sys.stdout, sys.stderr  # what the modules print is not the answer
    from livekit.agents import cli

    cli.run_app = not_run
    said: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(files):
        try:
            module = imported(Path(name), number)
            tree = ast.parse(Path(name).read_bytes())
            names = imports(tree, module)
            found = {"worker": worker(tree, names), "wrong": list(wrong(tree, names))}
            said[name] = {"import": None, **found}
        except (Exception, SystemExit) as error:  # whatever a module does is the answer
            said[name] = {"import": f"{type(error).__name__}: {error}", "worker": None, "wrong": []}
    sys.stderr.flush()
    out.write(json.dumps(said) + "\n")
    out.flush()
    os._exit(0)  # and what they do at exit comes too late


if __name__ == "__main__":
    main(sys.argv[1:])
