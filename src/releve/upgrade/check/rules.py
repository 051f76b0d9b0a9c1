"""What the page says of the check."""

from __future__ import annotations

from releve.upgrade.model import Rule

NAME = Rule(
    "target-name",
    "check",
    "an import, an attribute of a module, a class or an object whose type is known, and hasattr() or "
    "getattr() of one, that the target does not have",
    "see the flag: what took its place, or the names that are nearest",
    False,
    "ImportError or AttributeError when the line is reached; behind hasattr() the code is just never run",
)
CALL = Rule(
    "target-call",
    "check",
    "a call whose arguments the target's signature does not take, or without one that it requires",
    "see the flag: the arguments that it takes",
    False,
    "TypeError when the line is reached",
)
EVENT = Rule(
    "target-event",
    "check",
    "on() and once() with an event that the target's object does not emit, or with an async callback",
    "see the flag: the events that it emits; a plain def that calls asyncio.create_task(…)",
    False,
    "a listener of an event that is never sent is never called, and nothing says so; an async one is refused",
)
METHOD = Rule(
    "target-method",
    "check",
    "a method of a class of your own that the target calls with other arguments, or that it asks for and "
    "the class does not have",
    "see the flag: the signature that the target calls",
    False,
    "TypeError when it is called, or when an object of the class is made",
)
AWAIT = Rule(
    "target-await",
    "check",
    "a call of a coroutine of the target as a line of its own, without await",
    "await it, in an async function",
    False,
    "nothing of it runs; Python warns that the coroutine was never awaited",
)
RULES = (NAME, CALL, EVENT, METHOD, AWAIT)
