"""Files are found by their names: each package's map is whole, its arrows go one way, and no folder
or file is longer than a reader's patience."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("src", "plugins", "bench", "agent_src", "demo")
MODULES, LINES = 12, 300
# One file for each of Ansible's modules, one for each subject of the upgrade: found by name.
LONG = ("plugins/modules", "src/releve/upgrade/rules")

PACKAGES = sorted(
    path.parent
    for base in ("src", "plugins")
    for path in (ROOT / base).rglob("__init__.py")
    if path.parent.relative_to(ROOT).as_posix() not in LONG
)
MODULE_UTILS = ROOT / "plugins/module_utils"  # Ansible's, so there is no __init__ to hold a map


def named(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix()


def children(folder: Path) -> dict[str, list[Path]]:
    """The modules and packages in a package, with all files of each."""
    found = {path.stem: [path] for path in folder.glob("*.py") if not path.stem.startswith("__")}
    for path in folder.iterdir():
        if (path / "__init__.py").exists():
            found[path.name] = sorted(path.rglob("*.py"))
    return found


def floors(folder: Path) -> list[str]:
    """The names in the map of a package, top floor first."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return re.findall(r"^ {4}(\w+) +\S", said, re.MULTILINE)


def imported(file: Path) -> Iterator[str]:
    """What a file imports, wherever in it, by its whole name from src or plugins on."""
    base = ROOT / ("src" if file.is_relative_to(ROOT / "src") else "plugins")
    package = file.relative_to(base).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = [*above, *filter(None, [node.module])]
            yield from (".".join([*module, alias.name]) for alias in node.names)


def arrows(folder: Path) -> dict[str, set[str]]:
    """Which of its children each child of a package imports from."""
    base = ROOT / ("src" if folder.is_relative_to(ROOT / "src") else "plugins")
    inside = ".".join(folder.relative_to(base).parts) + "."
    there = children(folder)
    return {
        name: {
            whole.removeprefix(inside).split(".")[0]
            for file in files
            for whole in imported(file)
            if whole.startswith(inside)
        }
        & (there.keys() - {name})
        for name, files in there.items()
    }


def test_there_are_packages() -> None:
    names = {named(folder) for folder in PACKAGES}
    assert {"src/releve/gateway/dispatch", "src/releve/probe/suites"} <= names
    assert arrows(ROOT / "src/releve/gateway")["app"] >= {"dispatch", "config"}
    assert "stack" in arrows(MODULE_UTILS)["backup"]


@pytest.mark.parametrize("folder", PACKAGES, ids=named)
def test_a_packages_map_names_all_that_is_in_it(folder: Path) -> None:
    assert sorted(floors(folder)) == sorted(children(folder))


@pytest.mark.parametrize("folder", PACKAGES, ids=named)
def test_a_module_imports_only_what_stands_beneath_it(folder: Path) -> None:
    order = floors(folder)
    up = [
        f"{name} imports {other}"
        for name, others in arrows(folder).items()
        for other in others
        if order.index(other) < order.index(name)
    ]
    assert not up


def test_module_utils_imports_go_in_no_circle() -> None:
    TopologicalSorter(arrows(MODULE_UTILS)).prepare()


def test_gateway_and_probe_do_not_import_each_other() -> None:
    both = arrows(ROOT / "src/releve")
    assert "probe" not in both["gateway"]
    assert "gateway" not in both["probe"]


def test_the_rollout_uses_gateway_and_probe_by_their_surfaces() -> None:
    """The admin API and the record's files; of their code what reads those, and the log's form."""
    both = arrows(ROOT / "src/releve")
    assert "rollout" not in both["gateway"] | both["probe"]
    used = {name for file in (ROOT / "src/releve/rollout").rglob("*.py") for name in imported(file)}
    surfaces = ("releve.gateway.operator.logs", "releve.probe.judgement.")
    inside = {name for name in used if name.startswith(("releve.gateway.", "releve.probe."))}
    assert {name for name in inside if not name.startswith(surfaces)} <= {"releve.probe.judgement"}


def test_no_folder_of_code_has_too_many_modules() -> None:
    folders = {path.parent for base in CODE for path in (ROOT / base).rglob("*.py")}
    counts = {named(folder): len(children_files(folder)) for folder in folders}
    assert {name: n for name, n in counts.items() if n > MODULES and name not in LONG} == {}


def children_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.stem != "__init__"]


def test_no_file_of_code_is_too_long() -> None:
    files = [path for base in CODE for path in (ROOT / base).rglob("*.py")]
    counts = {named(path): len(path.read_text().splitlines()) for path in files}
    assert {name: n for name, n in counts.items() if n > LINES} == {}
