"""What a rule's detector is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from releve.upgrade.code import Code
from releve.upgrade.imports import Imports
from releve.upgrade.kinds import Kinds
from releve.upgrade.model import Finding


@dataclass(frozen=True)
class Context:
    code: Code
    kinds: Kinds
    imports: Imports


Detector = Callable[[Context], Iterator[Finding]]
