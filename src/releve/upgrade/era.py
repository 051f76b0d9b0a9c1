"""Which SDK a program was written for, as far as its text and its project's pins tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

import libcst as cst

from releve.upgrade.syntax.code import Code


class Era(IntEnum):
    OLD = 0  # livekit-agents before 0.9, livekit before 0.16
    LATER = 1  # 0.9 to 0.12
    V1 = 2


V1_NAMES = {"AgentSession", "Agent", "function_tool", "RunContext", "RoomInputOptions"}
V1_NAMES |= {"RoomOutputOptions", "find_function_tools", "AgentTask", "ModelSettings"}
LATER_HOMES = ("livekit.agents.pipeline", "livekit.agents.multimodal", "livekit.agents.metrics")
LATER_METHODS = {
    "wait_for_playout",
    "clear_queue",
    "set_attributes",
    "perform_rpc",
    "register_rpc_method",
}
OLD_HOMES = (
    "livekit.agents.voice_assistant",
    "livekit.agents.job_request",
    "livekit.agents.job_context",
)
PIN = re.compile(
    r"\blivekit-agents\b[^=<>~^\"'\n]*[\"']?\s*(?:=\s*\{?.*?[\"'])?(?:[=~>^]=?=?)?\s*(\d+)\.(\d+)"
)


def of_code(code: Code) -> Era | None:
    """What a module's own names tell; None where they read the same in all."""
    names = {
        f"{code.text(n.module)}.{alias.evaluated_name}"
        for n in code.all(cst.ImportFrom)
        if n.module is not None and not n.relative and not isinstance(n.names, cst.ImportStar)
        for alias in n.names
    }
    names |= {full for node in code.all(cst.Attribute) if (full := code.full(node))}
    ours = {name for name in names if name.startswith("livekit.agents")}
    if any(name.rpartition(".")[2] in V1_NAMES for name in ours):
        return Era.V1
    if any(name.startswith(LATER_HOMES) for name in ours):
        return Era.LATER
    if any(node.attr.value in LATER_METHODS for node in code.all(cst.Attribute)):
        return Era.LATER
    return Era.OLD if any(name.startswith(OLD_HOMES) for name in ours) else None


def of_pins(texts: Iterable[str]) -> Era | None:
    """What the versions of livekit-agents in a project's files tell: the latest of them."""
    found = [(int(m[1]), int(m[2])) for text in texts for m in PIN.finditer(text)]
    if not found:
        return None
    latest = max(found)
    return Era.V1 if latest >= (1, 0) else Era.LATER if latest >= (0, 9) else Era.OLD


V1_TEXT = re.compile(rb"\b(AgentSession|function_tool|RunContext|RoomInputOptions)\b")
LATER_TEXT = re.compile(
    rb"livekit\.agents\.(pipeline|multimodal|metrics)\b|import .*\b(pipeline|multimodal)\b"
)
OLD_TEXT = re.compile(
    rb"livekit\.agents\.(voice_assistant|job_request|job_context)\b|\bJobRequest\b"
)


def of_texts(texts: Iterable[bytes]) -> Era | None:
    """What the programs of a project tell for the files that do not tell their own: the oldest."""
    found = set()
    for text in texts:
        if V1_TEXT.search(text):
            found.add(Era.V1)
        elif LATER_TEXT.search(text):
            found.add(Era.LATER)
        elif OLD_TEXT.search(text):
            found.add(Era.OLD)
    return min(found, default=None)
