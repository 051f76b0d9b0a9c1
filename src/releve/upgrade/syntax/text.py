"""Whether an expression is text or a list, as far as the file itself shows."""

from __future__ import annotations

from enum import Enum

import libcst as cst
from libcst.metadata import Assignment

from releve.upgrade.syntax.code import Code


class Is(Enum):
    TEXT = "text"
    LIST = "list"
    UNKNOWN = "unknown"


TEXTS = cst.SimpleString | cst.FormattedString | cst.ConcatenatedString
LISTS = cst.List | cst.ListComp | cst.Tuple
METHODS = {"format", "join", "strip", "lower", "upper", "replace", "title", "lstrip", "rstrip"}
METHODS |= {"capitalize", "removeprefix", "removesuffix", "read_text", "isoformat", "strftime"}
CALLS = {"str": Is.TEXT, "repr": Is.TEXT, "list": Is.LIST, "input": Is.TEXT, "json.dumps": Is.TEXT}
CALLS |= {
    "textwrap.dedent": Is.TEXT,
    "dedent": Is.TEXT,
    "os.environ.get": Is.TEXT,
    "os.getenv": Is.TEXT,
}
DEPTH = 5  # assignments that are followed


def holds(code: Code, node: cst.BaseExpression, depth: int = DEPTH) -> Is:
    if isinstance(node, cst.SimpleString):
        return Is.LIST if isinstance(node.evaluated_value, bytes) else Is.TEXT
    if isinstance(node, TEXTS):
        return Is.TEXT
    if isinstance(node, LISTS):
        return Is.LIST
    if isinstance(node, cst.BinaryOperation):
        return _either(holds(code, node.left, depth), holds(code, node.right, depth))
    if isinstance(node, cst.IfExp):
        sides = {holds(code, node.body, depth), holds(code, node.orelse, depth)}
        return sides.pop() if len(sides) == 1 else Is.UNKNOWN
    if isinstance(node, cst.BooleanOperation):
        return holds(code, node.right, depth)
    if isinstance(node, cst.Call):
        if isinstance(node.func, cst.Attribute) and node.func.attr.value in METHODS:
            return Is.TEXT
        made = code.resolve(node.func)
        if made is not None and made.returns is not None:
            return _annotated(code, made.returns)
        return CALLS.get(code.text(node.func), Is.UNKNOWN)
    if isinstance(node, cst.Attribute):
        if node.attr.value == "text_content":
            return Is.TEXT
        return Is.LIST if node.attr.value == "content" else Is.UNKNOWN
    return _named(code, node, depth - 1) if isinstance(node, cst.Name) and depth else Is.UNKNOWN


def _either(left: Is, right: Is) -> Is:
    """Of `left + right` or `left % right`: one side tells what the other is."""
    return left if left is not Is.UNKNOWN else right


def _named(code: Code, name: cst.Name, depth: int) -> Is:
    scope, found = code.scope(name), set()
    for assignment in scope[name.value] if scope else ():
        node = assignment.node if isinstance(assignment, Assignment) else None
        above = node if isinstance(node, cst.Param) else code.parent(node) if node else None
        told = above.annotation if isinstance(above, cst.Param | cst.AnnAssign) else None
        if told is not None:
            found.add(_annotated(code, told))
        elif isinstance(above, cst.AssignTarget) and isinstance(
            made := code.parent(above), cst.Assign
        ):
            found.add(holds(code, made.value, depth))
        elif not isinstance(above, cst.AugAssign):
            found.add(Is.UNKNOWN)
    return found.pop() if len(found) == 1 else Is.UNKNOWN


def _annotated(code: Code, annotation: cst.Annotation) -> Is:
    told = code.text(annotation.annotation).replace(" ", "").removesuffix("|None")
    if told in ("str", "Optional[str]"):
        return Is.TEXT
    return Is.LIST if told.partition("[")[0] in ("list", "List") else Is.UNKNOWN
