"""Names that moved, and names that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
from libcst.metadata import QualifiedNameSource

from releve.upgrade.context import Context
from releve.upgrade.gone import GONE, MOVED, RENAMED, instead
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import expression, rename, replace

MOVES = Rule(
    "moved-name",
    "names",
    "livekit.agents.job_request, livekit.agents.job_context, livekit.agents.aio, utils.http_session",
    "livekit.agents, livekit.agents.utils.aio, utils.http_context.http_session",
    True,
    "the same things at their new place",
)
GONE_NAME = Rule(
    "gone-name",
    "names",
    "any other name of livekit.rtc and livekit.agents that v1 does not have",
    "see the flag: each says what took its place",
    False,
    "the import fails at start; a name that is imported and never read is just removed",
)
ANNOTATION = Rule(
    "assistant-annotation",
    "names",
    "assistant: VoiceAssistant",
    "assistant: AgentSession",
    True,
    "where the constructor changes, annotations follow",
)
STAR = Rule(
    "star-import",
    "names",
    "from livekit.rtc import *, from livekit.agents import *",
    "from livekit.rtc import Room, … and run the tool again",
    False,
    "a * hides which names are LiveKit's: nothing in this file is recognised by them",
)
RENAMES = Rule(
    "renamed-name",
    "names",
    "livekit.agents.metrics.PipelineEOUMetrics, PipelineLLMMetrics, PipelineSTTMetrics, PipelineTTSMetrics, "
    "PipelineVADMetrics",
    "livekit.agents.metrics.EOUMetrics, LLMMetrics, STTMetrics, TTSMetrics, VADMetrics",
    True,
    "the same things under their new names",
)
RULES = (MOVES, RENAMES, GONE_NAME, ANNOTATION, STAR)

NAMED = re.compile(r"[A-Za-z_][\w.]*")
ASSISTANTS = (".VoiceAssistant", ".VoicePipelineAgent")


def find(context: Context) -> Iterator[Finding]:
    code = context.code
    for statement in code.all(cst.ImportFrom):
        home = code.text(statement.module) if statement.module and not statement.relative else ""
        if isinstance(statement.names, cst.ImportStar) and home.split(".")[0] == "livekit":
            yield Finding(STAR, statement, STAR.v1)
        yield from _moved(context, statement)
        yield from _renamed(context, statement)
    yield from _quoted(context)
    for node in [*code.all(cst.Name), *code.all(cst.Attribute)]:
        if code.within(node, cst.Import) or code.within(node, cst.ImportFrom):
            continue
        above = code.parent(node)
        if isinstance(above, cst.Attribute) and above.attr is node:
            continue
        full = _full(code, node)
        if full in RENAMED:  # a bare name follows its import
            if isinstance(node, cst.Attribute):
                new = RENAMED[full]
                yield Finding(RENAMES, node, new, ((node, rename(new)),))
        elif full in MOVED:  # a bare name follows its import
            edit = _reach(MOVED[full]) if isinstance(node, cst.Attribute) else None
            if edit:
                yield Finding(MOVES, node, MOVED[full], ((node, edit),))
        elif (advice := _instead(node, full)) and not _rewritten_elsewhere(context, node, full):
            if full.endswith(ASSISTANTS) and code.within(node, cst.Annotation):
                new = context.imports.use("AgentSession")
                yield Finding(ANNOTATION, node, new, ((node, replace(new)),))
            else:
                yield Finding(GONE_NAME, node, f"{full} is gone: {advice}")


def _quoted(context: Context) -> Iterator[Finding]:
    """`agent: "VoicePipelineAgent"`."""
    code = context.code
    for node in code.all(cst.SimpleString):
        scope = code.scope(node)
        if scope is None or code.within(node, cst.Annotation) is None:
            continue
        text = node.raw_value
        for name in set(NAMED.findall(text)):
            if any(
                found.name.startswith("livekit.") and found.name.endswith(ASSISTANTS)
                for found in scope.get_qualified_names_for(name)
            ):
                new = context.imports.use("AgentSession")
                text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", new, text)
        if text != node.raw_value:
            edit = replace(f"{node.quote}{text}{node.quote}")
            yield Finding(ANNOTATION, node, text, ((node, edit),))


def _full(code: Code, node: cst.CSTNode) -> str:
    """The name as it was imported, the re-exports of private modules undone."""
    scope = code.scope(node)
    for found in scope.get_qualified_names_for(node) if scope else ():
        if found.source is QualifiedNameSource.IMPORT:
            return found.name.replace(".voice_assistant.assistant.", ".voice_assistant.")
    return ""


def _instead(node: cst.CSTNode, full: str) -> str | None:
    """What to write for a name that is gone. Of `Gone.method` only `Gone` is."""
    if isinstance(node, cst.Attribute) and full not in GONE:
        home = full.rpartition(".")[0]
        module = home not in MOVED and home.rpartition(".")[2].islower()
        return GONE.get(home) if module else None
    return instead(full)


def _rewritten_elsewhere(context: Context, node: cst.CSTNode, full: str) -> bool:
    """A name another rule speaks about: its flag would say the same thing twice."""
    code, above = context.code, context.code.parent(node)
    last = full.rsplit(".", 1)[-1]
    if isinstance(above, cst.Call) and above.func is node:
        return last in (
            "VoiceAssistant",
            "VoicePipelineAgent",
            "MultimodalAgent",
            "EOUModel",
            "ai_callable",
            "TypeInfo",
            "ChatImage",
        )
    if isinstance(above, cst.Arg) and isinstance(code.parent(above), cst.ClassDef):
        return last == "FunctionContext"
    if isinstance(above, cst.Arg) and above.keyword and above.keyword.value == "auto_disconnect":
        return True
    if isinstance(above, cst.Arg) and last == "USE_DOCSTRING":
        return code.name(code.parent(above) or above) == "llm.ai_callable"
    if isinstance(above, cst.Attribute) and full.endswith(".AutoDisconnect"):
        arg = code.within(node, cst.Arg)
        return (
            arg is not None and arg.keyword is not None and arg.keyword.value == "auto_disconnect"
        )
    if isinstance(above, cst.Attribute) and above.value is node:
        return bool(_instead(above, _full(code, above))) or _full(code, above) in MOVED
    return False


def _renamed(context: Context, statement: cst.ImportFrom) -> Iterator[Finding]:
    code = context.code
    if isinstance(statement.names, cst.ImportStar) or not statement.module or statement.relative:
        return
    home = code.text(statement.module)
    for alias in statement.names:
        new = RENAMED.get(f"{home}.{alias.evaluated_name}")
        if new is None:
            continue
        edits: list[tuple[cst.CSTNode, Edit]] = [(alias.name, rename(new))]
        if alias.asname is None and isinstance(alias.name, cst.Name):
            edits += [(node, rename(new)) for node in code.references(alias.name)]
        yield Finding(RENAMES, alias, new, tuple(edits))


def _moved(context: Context, statement: cst.ImportFrom) -> Iterator[Finding]:
    """`from livekit.agents.job_request import JobRequest`, when every name of it moved to one place."""
    if (
        isinstance(statement.names, cst.ImportStar)
        or statement.module is None
        or statement.relative
    ):
        return
    home = context.code.text(statement.module)
    if home in MOVED:  # the module as a whole
        if any(f"{home}.{alias.evaluated_name}" in GONE for alias in statement.names):
            return  # flagged where they are used
        whole: Edit = lambda node: node.with_changes(module=expression(MOVED[home]))  # noqa: E731
        yield Finding(MOVES, statement, f"from {MOVED[home]}", ((statement, whole),))
        return
    old = [f"{home}.{alias.evaluated_name}" for alias in statement.names]
    known = [name for name in old if name in MOVED]
    homes = {MOVED[name].rpartition(".")[0] for name in known}
    if not known or homes == {home}:
        return
    if len(homes) != 1:
        yield Finding(
            GONE_NAME, statement, "import one by one: " + ", ".join(MOVED[name] for name in known)
        )
        return
    new = homes.pop()
    if len(known) == len(old):
        edit: Edit = lambda node: node.with_changes(module=expression(new))  # noqa: E731
        yield Finding(MOVES, statement, f"from {new}", ((statement, edit),))
    elif context.code.within(statement, cst.FunctionDef) is None:
        gone = {name.rpartition(".")[2] for name in known}
        aliases = [a for a in statement.names if a.evaluated_name in gone]
        if any(alias.asname for alias in aliases):
            yield Finding(GONE_NAME, statement, f"import {', '.join(sorted(gone))} from {new}")
            return
        line = context.code.statement(statement)
        assert line is not None
        yield Finding(
            MOVES, statement, f"{', '.join(sorted(gone))} from {new}", ((line, _split(gone, new)),)
        )


def _split(gone: set[str], new: str) -> Edit:
    def edit(line: cst.SimpleStatementLine) -> cst.FlattenSentinel[cst.SimpleStatementLine]:
        old = line.body[0]
        assert isinstance(old, cst.ImportFrom) and not isinstance(old.names, cst.ImportStar)
        kept = [a for a in old.names if a.evaluated_name not in gone]
        kept[-1] = kept[-1].with_changes(comma=old.names[-1].comma)
        moved = cst.parse_statement(f"from {new} import {', '.join(sorted(gone))}\n")
        assert isinstance(moved, cst.SimpleStatementLine)
        return cst.FlattenSentinel([line.with_changes(body=[old.with_changes(names=kept)]), moved])

    return edit


def _reach(new: str) -> Edit | None:
    """Write `agents.aio` as `agents.utils.aio`: the last part under its new parents."""
    added = {
        "livekit.agents.utils.aio": "utils",
        "livekit.agents.utils.http_context.http_session": "http_context",
        "livekit.agents.types.ATTRIBUTE_AGENT_STATE": "types",
    }.get(new)
    if added is None:
        return None
    return lambda node: node.with_changes(value=cst.Attribute(node.value, cst.Name(added)))
