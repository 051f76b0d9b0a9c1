"""What an Agent is told: the system message of v0's chat context, and the rest of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit
from releve.upgrade.rules.append import chain
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import bind, comments
from releve.upgrade.syntax.text import Is, holds

SYSTEM = "llm.ChatRole.SYSTEM"


@dataclass
class Prompt:
    """Arguments of Agent(), as text, and the edits that took them from where they were."""

    instructions: str = '""'
    chat_ctx: list[str] = field(default_factory=list)
    edits: list[tuple[cst.CSTNode, Edit]] = field(default_factory=list)


def prompt(context: Context, chat: cst.BaseExpression | None) -> Prompt:
    """Split `chat_ctx=` of a VoiceAssistant.

    A context that begins with a literal system message gives its text as the instructions; a context
    that holds nothing else goes away. Any other, one with comments, and one that is read elsewhere
    too, is handed on as it is, with empty instructions: its own system message still counts.
    """
    code = context.code
    if chat is None or code.text(chat) == "None":
        return Prompt()
    made, assign = chat, None
    if isinstance(chat, cst.Name):
        assign = _assigned(code, chat)
        made = assign.value if assign else chat
    if (appends := chain(context, made)) is not None:
        return _appended(context, chat, assign, appends)
    messages = _messages(code, made)
    system = _system(code, messages.elements[0].value) if messages and messages.elements else None
    lost = comments(made) - comments(system) if system else 0
    if messages is None or system is None or lost:
        return Prompt(chat_ctx=[f"chat_ctx={code.text(chat)}"])
    told = Prompt(_one_line(code, system))
    if assign and isinstance(chat, cst.Name) and len(code.references(chat)) > 1:
        return Prompt(chat_ctx=[f"chat_ctx={chat.value}"])  # read or filled elsewhere too
    if len(messages.elements) > 1:
        told.edits.append((messages, lambda node: node.with_changes(elements=node.elements[1:])))
        rest = code.text(chat) if assign else _rest(code, made, messages)
        told.chat_ctx = [f"chat_ctx={rest}"]
    elif assign and isinstance(chat, cst.Name):
        _keep_in_place(code, chat, assign, system, told)
    return told


def _appended(
    context: Context, chat: cst.BaseExpression, assign: cst.Assign | None, appends: list[cst.Call]
) -> Prompt:
    """A context that 0.8 built: with one system message and nothing else, it is the instructions."""
    code, handed = context.code, Prompt(chat_ctx=[f"chat_ctx={context.code.text(chat)}"])
    bound = bind(appends[0].args, ("role", "text")) or {}
    role, text = bound.get("role"), bound.get("text")
    system = role is None or code.text(role.value).strip("'\"") == "system"
    if len(appends) > 1 or not system or text is None or not set(bound) <= {"role", "text"}:
        return handed
    told = Prompt(_one_line(code, text.value))
    if assign and isinstance(chat, cst.Name):
        if len(code.references(chat)) > 1:
            return handed  # read or filled elsewhere too
        _keep_in_place(code, chat, assign, text.value, told)
    return told


def _assigned(code: Code, name: cst.Name) -> cst.Assign | None:
    """The one assignment of a variable, in the same function."""
    found = [
        a
        for a in code.all(cst.Assign)
        if len(a.targets) == 1
        and a.targets[0].target.deep_equals(cst.Name(name.value))
        and code.within(a, cst.FunctionDef) is code.within(name, cst.FunctionDef)
    ]
    return found[0] if len(found) == 1 else None


def _messages(code: Code, made: cst.BaseExpression) -> cst.List | None:
    if not isinstance(made, cst.Call) or code.name(made) != "llm.ChatContext":
        return None
    bound = bind(made.args, ("messages",)) or {}
    value = bound["messages"].value if "messages" in bound else None
    return value if isinstance(value, cst.List) else None


def _system(code: Code, message: cst.BaseExpression) -> cst.BaseExpression | None:
    """The text of a system message without images."""
    if not isinstance(message, cst.Call) or code.name(message) != "llm.ChatMessage":
        return None
    bound = bind(message.args, ("role", "text", "images")) or {}
    role = bound.get("role")
    if role is None or len(bound) != 2:
        return None
    if code.name(role.value) != SYSTEM and code.text(role.value).strip("'\"") != "system":
        return None
    if "text" in bound:
        return bound["text"].value
    content = bound["content"].value if "content" in bound else None
    if isinstance(content, cst.List) and len(content.elements) == 1:
        content = content.elements[0].value
    return content if content is not None and holds(code, content) is Is.TEXT else None


def _bracketed(code: Code, value: cst.BaseExpression) -> str:
    """Its text, in parentheses where it spans lines without any of its own."""
    text = code.text(value)
    return f"({text})" if isinstance(value, cst.ConcatenatedString) and not value.lpar else text


def _moved_left(text: str) -> str:
    """Lines after the first, indented as far as the statement they move to."""
    first, *more = text.split("\n")
    if not more or '"""' in text or "'''" in text:
        return text
    depth = min(len(line) - len(line.lstrip()) for line in more if line.strip())
    return "\n".join([first, *(line[depth:] for line in more)])


def _one_line(code: Code, value: cst.BaseExpression) -> str:
    text = code.text(value)
    return (
        text if "\n" not in text or isinstance(value, cst.SimpleString) else _bracketed(code, value)
    )


def _rest(code: Code, made: cst.BaseExpression, messages: cst.List) -> str:
    shorter = messages.with_changes(elements=messages.elements[1:])
    return code.text(made.deep_replace(messages, shorter))


def _keep_in_place(
    code: Code, chat: cst.Name, assign: cst.Assign, system: cst.BaseExpression, told: Prompt
) -> None:
    """`initial_ctx = ChatContext([… text …])` becomes `instructions = text`, where it stands."""
    taken = any(n.value == "instructions" for n in code.all(cst.Name))
    name = chat.value if taken else "instructions"
    value = cst.parse_expression(_moved_left(_bracketed(code, system)))
    target = assign.targets[0]
    new = target.with_changes(target=cst.Name(name))
    told.edits.append((assign, lambda node: node.with_changes(targets=[new], value=value)))
    told.instructions = name
