"""VoiceAssistant to AgentSession and Agent: the constructor, start(), and what was between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.rules.instructions import Prompt, prompt
from releve.upgrade.rules.realtime_model import realtime_prompt
from releve.upgrade.rules.session_options import goes, odd, renamed, stays
from releve.upgrade.syntax.edit import (
    WIDTH,
    argument,
    bind,
    expression,
    has_comment,
    one_a_line,
    rebuild,
)
from releve.upgrade.syntax.types import PARTICIPANTS

ASSISTANT = Rule(
    "voice-assistant",
    "assistant",
    "assistant = VoiceAssistant(vad=…, stt=…, llm=…, tts=…, chat_ctx=…, fnc_ctx=…); assistant.start(room)",
    "assistant = AgentSession(vad=…, stt=…, llm=…, tts=…); await assistant.start(Agent(instructions=…, tools=…), room=room)",
    True,
    "v1 parts the machinery (session) from what the agent is told and can do (agent). The system message "
    "becomes the instructions; interrupt_min_words=n becomes min_interruption_words=n+1, for v0 wanted more "
    "than n; debug, plotting and preemptive_synthesis go. What is not said keeps v1's defaults, which "
    "interrupt earlier (v0: more than 3 words)",
)
BY_HAND = Rule(
    "voice-assistant-by-hand",
    "assistant",
    "a VoiceAssistant that is started in another function, file or shape",
    "AgentSession(…) and `await session.start(Agent(instructions=…, tools=…), room=ctx.room)`",
    False,
    "start() is a coroutine now and takes the agent: rewritten only where constructor and one start() are "
    "seen together in async code",
)
SHARED = Rule(
    "assistant-shared-context",
    "assistant",
    "VoiceAssistant(chat_ctx=context), and context used after start()",
    "session.history to read the conversation; to change it ctx = session.current_agent.chat_ctx.copy(), "
    "ctx.add_message(…), await session.current_agent.update_chat_ctx(ctx)",
    False,
    "v0 kept the conversation in the object it was given; v1's Agent takes a copy, so what is appended to it "
    "later is not heard by the model, and it does not grow",
)
RULES = (ASSISTANT, BY_HAND, SHARED)

SESSIONS = ("agents.VoiceAssistant", "agents.MultimodalAgent", "agents.AgentSession")


# Options of an assistant that v1's Agent takes instead.
AGENTS = {
    "chat_ctx": "its system message goes to Agent(instructions=…), the rest to Agent(chat_ctx=…)",
    "fnc_ctx": "Agent(tools=llm.find_function_tools(…))",
}


@dataclass
class Conversion:
    """One VoiceAssistant whose constructor and start() were found together."""

    make: cst.Call
    start: cst.Call
    prompt: Prompt
    tools: str = ""
    rest: list[str] = field(default_factory=list)  # further arguments of start(), as text


def find(context: Context) -> Iterator[Finding]:
    code = context.code
    for make in _made(context):
        yield from odd(make)
        found = _conversion(context, make)
        if isinstance(found, str):
            yield Finding(BY_HAND, make, found)
        else:
            advice = "AgentSession, started with an Agent"
            if found.prompt.instructions == '""' and found.prompt.chat_ctx:
                advice += "; its instructions are empty: move what chat_ctx tells the model there"
            yield Finding(ASSISTANT, make, advice, tuple(_edits(context, found)))
            yield from _shared(context, argument(make.args, "chat_ctx"), found.start)
    yield from _derived(context)
    for make in code.calls("agents.AgentSession"):
        yield from odd(make)
    for agent in code.calls("agents.Agent"):
        yield from _shared(context, argument(agent.args, "chat_ctx"), agent)


def _derived(context: Context) -> Iterator[Finding]:
    """Objects of a class of this file that derives from an assistant: how they are made and started."""
    code, own = context.code, context.kinds.own
    for call in code.all(cst.Call):
        starts = isinstance(call.func, cst.Attribute) and call.func.attr.value == "start"
        kind = context.kinds.of(call.func.value if starts else call)  # type: ignore[attr-defined]
        if own.get(kind) is None or not set(SESSIONS) & set(own.lineage(kind)):
            continue
        if starts:
            if argument(call.args, "room") is None or not isinstance(code.parent(call), cst.Await):
                yield Finding(BY_HAND, call, f"await {code.text(call.func)}(Agent(…), room=…)")
        elif isinstance(call.func, cst.Name):
            for name, told in AGENTS.items():
                if arg := argument(call.args, name):
                    yield Finding(BY_HAND, arg, f"{name}: {told}")


def _shared(context: Context, arg: cst.Arg | None, start: cst.Call) -> Iterator[Finding]:
    """Uses of the agent's chat context after it was given away, or at some other time."""
    code = context.code
    given = arg.value if arg else None
    if isinstance(given, cst.Name):
        same = code.references(given)
    elif isinstance(given, cst.Attribute):
        same = [node for node in code.all(cst.Attribute) if node.deep_equals(given)]
    else:
        return
    function, line = code.within(start, cst.FunctionDef), code.line(start)
    for node in same:
        # The argument itself is inside the call that this looks from, or of one before it.
        if code.within(node, cst.Arg) is arg or isinstance(code.parent(node), cst.AssignTarget):
            continue
        if code.line(node) > line or code.within(node, cst.FunctionDef) is not function:
            yield Finding(SHARED, node, SHARED.v1)


def _conversion(context: Context, make: cst.Call) -> Conversion | str:
    code = context.code
    assign = code.parent(make)
    target = (
        assign.targets[0].target
        if isinstance(assign, cst.Assign) and len(assign.targets) == 1
        else None
    )
    if target is None:
        return "assign the session to a variable, and start it where it can be awaited"
    if any(arg.star or arg.keyword is None for arg in make.args):
        return "write its arguments by keyword"
    if any(has_comment(code.text(arg.value)) and goes(arg) for arg in make.args):
        return "a comment stands at an argument that goes: move it by hand"
    starts = [c for c in _calls_on(context, target, "start") if _same_owner(context, c, make)]
    if len(starts) != 1 or not code.is_statement(starts[0]) or not code.can_await(starts[0]):
        return "make start() one `await session.start(Agent(…), room=…)` in an async function"
    start = starts[0]
    if any(other is not make and _starts(context, other, start) for other in _made(context)):
        return "give each session a variable of its own: this start() is that of several"
    same = code.within(start, cst.FunctionDef) is code.within(make, cst.FunctionDef)
    chat, functions = argument(make.args, "chat_ctx"), argument(make.args, "fnc_ctx")
    if not same and any(
        a is not None and not _seen_anywhere(context, a.value) for a in (chat, functions)
    ):
        return (
            "chat_ctx and fnc_ctx are not to be seen from where start() is: build the Agent there"
        )
    found = Conversion(make, start, prompt(context, chat.value if chat else None))
    if code.name(make) == "agents.MultimodalAgent":
        told = realtime_prompt(context, make)
        if isinstance(told, str):
            return told
        found.prompt.instructions = told.instructions
        found.prompt.edits += told.edits
    if functions is not None and code.text(functions.value) != "None":
        found.tools = (
            f"{context.imports.use('llm')}.find_function_tools({code.text(functions.value)})"
        )
    bound = bind(start.args, ("room", "participant"))
    if bound is None or "room" not in bound:
        return "start() is called without a room"
    found.rest.append(f"room={code.text(bound['room'].value)}")
    listen = bound.get("participant")
    if listen is not None and code.text(listen.value) != "None":
        identity = _identity(context, listen.value)
        if identity is None:
            return (
                "say whom to listen to: room_input_options=RoomInputOptions(participant_identity=…)"
            )
        use = context.imports.use("RoomInputOptions")
        found.rest.append(f"room_input_options={use}(participant_identity={identity})")
    spoken = argument(make.args, "transcription")
    if spoken is not None and code.text(spoken.value) != "True" and not stays(spoken):
        use = context.imports.use("RoomOutputOptions")
        found.rest.append(
            f"room_output_options={use}(transcription_enabled={code.text(spoken.value)})"
        )
    return found


def all_converted(context: Context) -> bool:
    """Whether no VoiceAssistant of this file is left to be moved by hand."""
    return not any(isinstance(_conversion(context, make), str) for make in _made(context))


def _made(context: Context) -> list[cst.Call]:
    return context.code.calls("agents.VoiceAssistant", "agents.MultimodalAgent")


def _starts(context: Context, make: cst.Call, start: cst.Call) -> bool:
    """Whether it is assigned to the variable that the call starts."""
    assign = context.code.parent(make)
    if not isinstance(assign, cst.Assign):
        return False
    started = start.func.value  # type: ignore[attr-defined]
    named = any(target.target.deep_equals(started) for target in assign.targets)
    return named and _same_owner(context, start, make)


def _calls_on(context: Context, target: cst.BaseExpression, method: str) -> Iterator[cst.Call]:
    for call in context.code.all(cst.Call):
        function = call.func
        named = isinstance(function, cst.Attribute) and function.attr.value == method
        if named and function.value.deep_equals(target):  # type: ignore[attr-defined]
            yield call


def _same_owner(context: Context, call: cst.Call, make: cst.Call) -> bool:
    """The variable is the same: of one function (or one nested in it), or of one class."""
    code, value = context.code, call.func.value  # type: ignore[attr-defined]
    if context.kinds.of(value) not in SESSIONS:
        return False
    home = code.within(make, cst.ClassDef if isinstance(value, cst.Attribute) else cst.FunctionDef)
    return home is None or code.inside(call, home)


def _seen_anywhere(context: Context, value: cst.BaseExpression) -> bool:
    """Whether an expression means the same in every method: an attribute of self, or a call or name
    of the module."""
    if isinstance(value, cst.Attribute):
        return isinstance(value.value, cst.Name) and value.value.value == "self"
    name = value.func if isinstance(value, cst.Call) and not value.args else value
    if not isinstance(name, cst.Name):
        return False
    found = context.code.variable(name)
    return found is not None and found[0] is context.code.scope(context.code.module)


def _identity(context: Context, value: cst.BaseExpression) -> str | None:
    text = context.code.text(value)
    if isinstance(value, cst.SimpleString | cst.FormattedString) or text.endswith(".identity"):
        return text
    return f"{text}.identity" if context.kinds.of(value) in PARTICIPANTS else None


def _edits(context: Context, found: Conversion) -> Iterator[tuple[cst.CSTNode, Edit]]:
    session, agent = context.imports.use("AgentSession"), context.imports.use("Agent")
    told = [f"instructions={found.prompt.instructions}", *found.prompt.chat_ctx]
    if found.tools:
        told.append(f"tools={found.tools}")
    deep = any("\n" in part for part in told)
    made = f"{agent}({one_a_line(told, 8) if deep else ', '.join(told)})"
    given = _laid_out(context, found.start, [made, *found.rest])

    def make(node: cst.Call) -> cst.Call:
        kept = [renamed(a) for a in node.args if not goes(a)]
        return rebuild(node, kept).with_changes(func=expression(session))

    def start(node: cst.Call) -> cst.Await:
        new = expression(f"f({given})")
        assert isinstance(new, cst.Call)
        space = new.whitespace_before_args
        return cst.Await(node.with_changes(args=new.args, whitespace_before_args=space))

    yield found.make, make
    yield found.start, start
    yield from found.prompt.edits


def _laid_out(context: Context, start: cst.Call, given: list[str]) -> str:
    """The arguments on one line, or one a line where that is too long."""
    code = context.code
    flat = ", ".join(given)
    long = len(code.indent(start)) + len(code.text(start.func)) + len(flat) + len("await ()")
    return flat if long <= WIDTH and "\n" not in flat else one_a_line(given, 4)
