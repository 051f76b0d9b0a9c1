"""Chat contexts by hand, pictures in them, and a model that is asked directly."""

from __future__ import annotations

from livekit import rtc
from livekit.agents import llm
from livekit.agents.llm import ChatContext, ChatImage, ChatMessage, ChatRole


def opening(name: str) -> ChatContext:
    context = ChatContext(
        messages=[
            ChatMessage(role=ChatRole.SYSTEM, text="You are a coach."),
            ChatMessage(ChatRole.USER, f"I am {name}."),
        ]
    )
    context.messages.append(ChatMessage(role=ChatRole.ASSISTANT, text="Hello!"))
    return context


def seen(context: ChatContext, frame: rtc.VideoFrame) -> None:
    context.messages.append(
        llm.ChatMessage(
            role=llm.ChatRole.USER,
            text="Look at me",
            images=[llm.ChatImage(image=frame, inference_width=512), ChatImage(frame)],
        )
    )


def transcript(context: llm.ChatContext) -> list[str]:
    lines = []
    for message in context.messages:
        if message.role == llm.ChatRole.SYSTEM:
            continue
        lines.append(f"{message.role.value}: {message.text}")
    return lines


def shout(message: ChatMessage) -> None:
    message.text = message.text.upper()
    if message.images:
        print("with pictures")


def role_of(tool: bool) -> ChatRole:
    return ChatRole.TOOL if tool else ChatRole.USER


async def feedback(context: llm.ChatContext, functions: llm.FunctionContext) -> str:
    from livekit.plugins import openai

    model = openai.LLM(model="gpt-4o")
    print(openai.STT(model="whisper-1", http_session=None))
    stream = await model.chat(history=context, fnc_ctx=functions)
    text = ""
    async for chunk in stream:
        text += chunk.choices[0].delta.content or ""
    warmer = await model.chat(history=context, temperature=0.9)
    await warmer.aclose()
    return text
