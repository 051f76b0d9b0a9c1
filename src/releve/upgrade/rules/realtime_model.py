"""What a realtime model was told when it was made, which v1's Agent is told."""

from __future__ import annotations

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.rules.instructions import Prompt
from releve.upgrade.syntax.edit import argument, has_comment, rebuild

MODEL = "plugins.openai.realtime.RealtimeModel"
MOVES = {"instructions", "modalities"}


def realtime_prompt(context: Context, make: cst.Call) -> Prompt | str:
    """The instructions of the model of a MultimodalAgent and the edits that take them from it; a
    sentence where they cannot be taken."""
    code = context.code
    arg = argument(make.args, "model")
    model = _made(context, arg.value) if arg else None
    if model is None:
        return "instructions= of the model go to Agent(instructions=…): the model is made elsewhere"
    told = argument(model.args, "instructions")
    moves = [a for a in model.args if a.keyword and a.keyword.value in MOVES]
    if any(a.star for a in model.args) or any(has_comment(code.text(a)) for a in moves):
        return "move instructions= of the model to Agent(instructions=…), and take modalities= out"
    found = Prompt(code.text(told.value) if told else '""')
    if told and "\n" in found.instructions and not isinstance(told.value, cst.SimpleString):
        found.instructions = f"({found.instructions})"
    if moves:
        kept = [model.args.index(a) for a in model.args if a not in moves]
        found.edits.append((model, lambda node: rebuild(node, [node.args[i] for i in kept])))
    return found


def _made(context: Context, value: cst.BaseExpression) -> cst.Call | None:
    """The call that makes the model: the argument itself, or the variable's one assignment."""
    code = context.code
    if isinstance(value, cst.Call):
        return value if code.name(value) == MODEL else None
    if not isinstance(value, cst.Name):
        return None
    found = [
        assign.value
        for assign in code.all(cst.Assign)
        if any(target.target.deep_equals(value) for target in assign.targets)
        and code.within(assign, cst.FunctionDef) is code.within(value, cst.FunctionDef)
    ]
    only = found[0] if len(found) == 1 else None
    return only if isinstance(only, cst.Call) and code.name(only) == MODEL else None
