"""What a rule's detector is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from releve.upgrade.era import Era
from releve.upgrade.model import Finding
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.imports import Imports
from releve.upgrade.syntax.kinds import Kinds


@dataclass(frozen=True)
class Context:
    code: Code
    kinds: Kinds
    imports: Imports
    era: Era = Era.OLD  # of the text before anything was rewritten


Detector = Callable[[Context], Iterator[Finding]]
