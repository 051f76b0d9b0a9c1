"""Small pieces of syntax that rules write, and the transformer that applies their edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst
import libcst.matchers as m

from releve.upgrade.model import Edit

WIDTH = 100  # lines that the tool makes longer than this are broken
NO_SPACE = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


class Apply(cst.CSTTransformer):
    """Apply the edits to the nodes they were made for; inner ones first."""

    def __init__(self, edits: Sequence[tuple[cst.CSTNode, Edit]]) -> None:
        super().__init__()
        self._edits: dict[int, list[Edit]] = {}
        for node, edit in edits:
            self._edits.setdefault(id(node), []).append(edit)

    def on_leave(self, original_node: cst.CSTNode, updated_node: Any) -> Any:
        updated = super().on_leave(original_node, updated_node)
        for edit in self._edits.get(id(original_node), ()):
            updated = edit(updated)
        return updated


def expression(text: str) -> cst.BaseExpression:
    return cst.parse_expression(text)


def line(text: str) -> cst.SimpleStatementLine:
    statement = cst.parse_statement(text)
    assert isinstance(statement, cst.SimpleStatementLine)
    return statement


def rename(name: str) -> Edit:
    """Give an Attribute another attr, or a Name another name."""

    def edit(node: Any) -> Any:
        if isinstance(node, cst.Attribute):
            return node.with_changes(attr=node.attr.with_changes(value=name))
        return node.with_changes(value=name)

    return edit


def replace(text: str) -> Edit:
    """Put an expression in the node's place, within the parentheses the node had."""

    def edit(node: Any) -> Any:
        new = expression(text)
        return new.with_changes(lpar=node.lpar, rpar=node.rpar) if node.lpar else new

    return edit


def awaited(node: Any) -> cst.Await:
    """`(await x)`: parenthesised, because an attribute or a subscript may follow."""
    return cst.Await(node, lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def argument(args: Sequence[cst.Arg], name: str) -> cst.Arg | None:
    return next((a for a in args if a.keyword is not None and a.keyword.value == name), None)


def with_text(images: cst.List, text: cst.BaseExpression | None) -> cst.List:
    """A list of images with the text before them, one a line where they were one a line."""
    if text is None or not images.elements:
        return images if text is None else cst.List([cst.Element(text)])
    space = images.lbracket.whitespace_after
    if not isinstance(space, cst.ParenthesizedWhitespace):
        space = cst.SimpleWhitespace(" ")
    first = cst.Element(text, comma=cst.Comma(whitespace_after=space))
    return images.with_changes(elements=[first, *images.elements])


def moved_to(text: str, depth: int) -> str:
    """An expression whose first line stands `depth` columns in: its other lines move along, so that
    the last one closes under the first. Text in triple quotes is left as it is."""
    first, *more = text.split("\n")
    if not more or '"""' in text or "'''" in text:
        return text
    shift = depth - (len(more[-1]) - len(more[-1].lstrip()))
    moved = [
        " " * max(len(line) - len(line.lstrip()) + shift, 0) + line.lstrip() if line.strip() else ""
        for line in more
    ]
    return "\n".join([first, *moved])


def one_a_line(parts: Sequence[str], depth: int) -> str:
    """Arguments between brackets, one a line, `depth` columns in."""
    lines = "".join(f"\n{' ' * depth}{moved_to(part, depth)}," for part in parts)
    return f"{lines}\n{' ' * (depth - 4)}"


def keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    return cst.Arg(value, keyword=cst.Name(name), equal=NO_SPACE)


def bind(args: Sequence[cst.Arg], order: Sequence[str]) -> dict[str, cst.Arg] | None:
    """Arguments by parameter name; None where a star or too many hide which is which."""
    bound: dict[str, cst.Arg] = {}
    for place, arg in enumerate(args):
        if arg.star or (arg.keyword is None and place >= len(order)):
            return None
        bound[arg.keyword.value if arg.keyword else order[place]] = arg
    return bound


def rebuild(call: cst.Call, args: Sequence[cst.Arg]) -> cst.Call:
    """The call with other arguments, spaced as its own were: one a line stays one a line."""
    old, before = call.args, call.whitespace_before_args
    if not args:
        return call.with_changes(args=[], whitespace_before_args=_emptied(before, old))
    between = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    if isinstance(before, cst.ParenthesizedWhitespace):
        between = cst.Comma(whitespace_after=_bare(before))
    done = []
    for arg in args[:-1]:
        last = bool(old) and arg.comma is old[-1].comma
        if isinstance(arg.comma, cst.Comma) and not last:
            done.append(arg)
        else:
            done.append(_spaced(arg, arg.with_changes(comma=between)))
    done.append(_spaced(args[-1], old[-1]) if old else args[-1])
    return _commented(call.with_changes(args=done), old)


def _emptied(
    before: cst.BaseParenthesizableWhitespace, old: Sequence[cst.Arg]
) -> cst.BaseParenthesizableWhitespace:
    """What is left between the brackets: nothing, or the comments of the arguments that went."""
    lines = [line.comment for arg in old for line in _comment_lines(arg)]
    end = _after(old[-1]) if old else before
    if not lines or not isinstance(before, cst.ParenthesizedWhitespace):
        return cst.SimpleWhitespace("")
    own = [cst.EmptyLine(before.indent, before.last_line, comment) for comment in lines]
    last = end.last_line if isinstance(end, cst.ParenthesizedWhitespace) else before.last_line
    return before.with_changes(empty_lines=own, last_line=last)


def _spaced(arg: cst.Arg, like: cst.Arg) -> cst.Arg:
    """The argument with the comma and space of another, and the comments that were its own."""
    own, comma, after = _after(arg), like.comma, like.whitespace_after_arg
    if isinstance(comma, cst.Comma):
        comma = comma.with_changes(whitespace_after=_carrying(comma.whitespace_after, own))
        after = cst.SimpleWhitespace("")
    else:
        after = _carrying(after, own)
    return arg.with_changes(comma=comma, whitespace_after_arg=after)


def _after(arg: cst.Arg) -> cst.BaseParenthesizableWhitespace:
    """The white space that follows an argument."""
    comma = arg.comma
    return comma.whitespace_after if isinstance(comma, cst.Comma) else arg.whitespace_after_arg


def _carrying(
    space: cst.BaseParenthesizableWhitespace, own: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """White space with another's comments and no other."""
    space = _bare(space)
    lines = isinstance(space, cst.ParenthesizedWhitespace)
    if lines and isinstance(own, cst.ParenthesizedWhitespace):
        return space.with_changes(first_line=own.first_line, empty_lines=own.empty_lines)
    return space


def _bare(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """The same white space without comments."""
    if isinstance(space, cst.ParenthesizedWhitespace):
        line = cst.TrailingWhitespace(newline=space.first_line.newline)
        return space.with_changes(first_line=line, empty_lines=[])
    return space


def _commented(call: cst.Call, old: Sequence[cst.Arg]) -> cst.Call:
    """The call with the comments of arguments that went, on lines of their own before its end."""
    kept = [line.comment.value for arg in call.args for line in _comment_lines(arg)]
    lost = []
    for line in (line for arg in old for line in _comment_lines(arg)):
        if line.comment.value in kept:
            kept.remove(line.comment.value)
        else:
            lost.append(line)
    spaces = [call.whitespace_before_args, *(_after(arg) for arg in old)]
    before = next((s for s in spaces if isinstance(s, cst.ParenthesizedWhitespace)), None)
    final = call.args[-1]
    if not lost or before is None:
        return call
    end = _after(final)
    if not isinstance(end, cst.ParenthesizedWhitespace):
        end = cst.ParenthesizedWhitespace(indent=before.indent)
    own = [cst.EmptyLine(before.indent, before.last_line, line.comment) for line in lost]
    comma = cst.Comma(whitespace_after=end.with_changes(empty_lines=[*end.empty_lines, *own]))
    last = final.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
    return call.with_changes(args=[*call.args[:-1], last])


def _comment_lines(arg: cst.Arg) -> list[Any]:
    """Lines of the white space after an argument that carry a comment."""
    found = []
    for space in {id(s): s for s in (arg.whitespace_after_arg, _after(arg))}.values():
        if isinstance(space, cst.ParenthesizedWhitespace):
            lines: list[Any] = [space.first_line, *space.empty_lines]
            found += [line for line in lines if line.comment]
    return found


def with_first(function: cst.FunctionDef, lines: Sequence[str]) -> cst.FunctionDef:
    """The function with statements before its first one (after its docstring)."""
    body = function.body
    new: list[cst.BaseStatement] = [cst.parse_statement(text) for text in lines]
    if isinstance(body, cst.SimpleStatementSuite):
        old: list[cst.BaseStatement] = [cst.SimpleStatementLine(body=list(body.body))]
        return function.with_changes(body=cst.IndentedBlock(body=[*new, *old]))
    assert isinstance(body, cst.IndentedBlock)
    at = 1 if docstring(function) else 0
    return function.with_changes(
        body=body.with_changes(body=[*body.body[:at], *new, *body.body[at:]])
    )


def docstring(function: cst.FunctionDef) -> bool:
    return function.get_docstring(clean=False) is not None


def comments(node: cst.CSTNode) -> int:
    """How many comments stand in it."""
    return len(m.findall(node, m.Comment()))


def has_comment(text: str) -> bool:
    """Whether there may be a comment in it: said too often rather than too seldom."""
    return "#" in text
