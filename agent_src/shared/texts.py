"""What the coach says by itself, and what it tells the model, per language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Texts:
    """`sorry` is also recorded in sorry.<language>.wav, for when nothing can be synthesised."""

    greeting: str
    welcome_back: str
    sorry: str
    instructions: str


_INSTRUCTIONS = (
    "You are a speaking coach in a voice call. Speak {language}, in short sentences that read well "
    "aloud, without lists or symbols. When the caller is ready, give them one sentence at a time "
    "to repeat. When they are finished, give feedback and one piece of advice."
)
# For a coach that has these tools.
WITH_TOOLS = (
    "Call start_exercise when the caller is ready, before the first sentence. Call finish_exercise "
    "when they are finished: its figures, and their pace in words a minute, are for your feedback."
)

TEXTS = {
    "en": Texts(
        "Hello, I am your speaking coach. When you are ready, say: let us begin.",
        "I am still here. Let us go on.",
        "I am sorry, I have a problem at the moment. Please say that again.",
        _INSTRUCTIONS.format(language="English"),
    ),
    "fr": Texts(
        "Bonjour, je suis votre coach. Quand vous êtes prêt, dites : on commence.",
        "Je suis toujours là. Continuons.",
        "Désolé, j'ai un problème en ce moment. Pouvez-vous répéter ?",
        _INSTRUCTIONS.format(language="French"),
    ),
}
