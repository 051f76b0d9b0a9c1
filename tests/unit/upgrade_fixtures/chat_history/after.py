"""Chat contexts by hand, pictures in them, and a model that is asked directly."""

from __future__ import annotations

from livekit import rtc
from livekit.agents import llm
from livekit.agents.llm import ChatContext, ChatMessage, ChatRole, ImageContent


def opening(name: str) -> ChatContext:
    context = ChatContext(
        [
            ChatMessage(role="system", content=["You are a coach."]),
            ChatMessage(role="user", content=[f"I am {name}."]),
        ]
    )
    context.items.append(ChatMessage(role="assistant", content=["Hello!"]))
    return context


def seen(context: ChatContext, frame: rtc.VideoFrame) -> None:
    context.items.append(
        llm.ChatMessage(
            role="user",
            content=["Look at me", llm.ImageContent(image=frame, inference_width=512), ImageContent(image=frame)],
        )
    )


def transcript(context: llm.ChatContext) -> list[str]:
    lines = []
    for message in context.items:
        if message.role == "system":
            continue
        lines.append(f"{message.role}: {message.text_content}")
    return lines


def shout(message: ChatMessage) -> None:
    message.content = [message.text_content.upper()]
    if message.images:
        print("with pictures")


def role_of(tool: bool) -> ChatRole:
    return ChatRole.TOOL if tool else "user"


async def feedback(context: llm.ChatContext, functions: llm.FunctionContext) -> str:
    from livekit.plugins import openai

    model = openai.LLM(model="gpt-4o")
    print(openai.STT(model="whisper-1", http_session=None))
    stream = model.chat(chat_ctx=context, tools=llm.find_function_tools(functions))
    text = ""
    async for chunk in stream:
        text += chunk.choices[0].delta.content or ""
    warmer = await model.chat(history=context, temperature=0.9)
    await warmer.aclose()
    return text
