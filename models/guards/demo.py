"""Conversations with paddock-tiny, as its own corpus has them: a demonstration's guards must let all of it pass."""

import json
import random
from typing import Final, NamedTuple

from llama.chat import Message
from models.guards.grammar import Split
from models.training.corpus import EVALUATED, SHORT_CHUNKS, held_out_dialogs, training_dialogs

_CHUNK: Final = SHORT_CHUNKS
"""The first chunk of that corpus with everything in it."""


class Side(NamedTuple):
    """What one side says: the user's with what tools bring, or the agent's."""

    is_agent: bool
    content: str


def _content(message: Message) -> str:
    calls = [{"name": call.name, "parameters": call.arguments} for call in message.tool_calls]
    return "\n".join(json.dumps(call, ensure_ascii=False) for call in calls) or message.content.strip()


def dialog(rng: random.Random, split: Split) -> list[Side]:
    """Draw a conversation of two sides in turn, the user's first, as the server shows one to a guard."""
    while True:
        if split is Split.HELD_OUT:
            drawn = next(held_out_dialogs(rng.getrandbits(32), rng.choice(EVALUATED), 1))
        else:
            drawn = next(training_dialogs(rng.getrandbits(32), _CHUNK, 1))
        sides: list[Side] = []
        for message in drawn.messages:
            content, is_agent = _content(message), message.role == "assistant"
            if message.role == "system" or not content:
                continue
            if sides and sides[-1].is_agent == is_agent:
                content = f"{sides.pop().content}\n\n{content}"
            sides.append(Side(is_agent, content))
        if len(sides) > 1:
            return sides


def said(rng: random.Random, split: Split, by_agent: bool) -> str:
    """Draw one thing that a side says."""
    return rng.choice([side.content for side in dialog(rng, split) if side.is_agent == by_agent])
