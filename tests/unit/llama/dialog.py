"""Generated conversations: ordinary text of many kinds, tools, calls and results, by a seed."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass
from typing import Any

from llama.chat import BuiltinTool, Message, Tool, ToolCall

TEXTS = (
    "", " ", "\n", "\n\nHello", "  Hello there  ", "What's the weather in Rome?", "I'll don't WE'RE 's", "1234567890",
    "Grüße aus München – ça va?\r\n", "नमस्ते दुनिया, आप कैसे हैं?", "สวัสดีชาวโลก", "¿Qué tal, señor?", "Olá, você não está",
    "Buongiorno a tutti\tqui", "你好,世界!", "😀👩‍👩‍👧‍👦🏳️‍🌈", "def f(x):\n    return x ** 2\n\n\n",
    "e\u0301 \ufb01 \u200b\ufeff",
    '{"a": [1, 2.50, null]}', "a\x00b\x1c\x7f\x85\u2028", "\u00a0\u3000nbsp ", "<|not_a_token|> <| |>",
    "\U0001d54f\U000e0041",
    "x" * 70, " " * 33, "🐎" * 9, "#" * 40 + "\n",
)  # fmt: skip

_JSON = (1, 0, -2.5, 1e100, 10**30, True, False, None, "Köln", 'quo"te\\', "", [1, "a", None], {"b": 1, "a": "ü"})


@dataclass(frozen=True)
class Dialog:
    """A conversation with its tools and its date."""

    messages: list[Message]
    tools: list[Tool]
    builtins: list[BuiltinTool]
    today: datetime.date


def text(rng: random.Random) -> str:
    """Join a few texts."""
    return "".join(rng.choices(TEXTS, k=rng.randint(0, 4)))


def arguments(rng: random.Random) -> dict[str, Any]:
    """Make a call's arguments, no deeper than Meta's types allow."""
    return {rng.choice(("city", "n", "über", "a b")) + str(i): rng.choice(_JSON) for i in range(rng.randint(0, 3))}


def call(rng: random.Random, builtin: bool) -> ToolCall:
    """Make a call of a function, or of a built-in tool."""
    if not builtin:
        return ToolCall(rng.choice(("weather", "get-time", "f_1")), arguments(rng))
    tool = rng.choice(list(BuiltinTool))
    return ToolCall(tool.value, {tool.parameter: text(rng)})


def dialog(rng: random.Random, most_calls: int) -> Dialog:
    """Make a conversation, with at most so many calls in a message."""
    tools = [Tool(f"f_{i}", text(rng), {"type": "object", **arguments(rng)}) for i in range(rng.choice((0, 0, 1, 3)))]
    builtins = rng.sample(list(BuiltinTool), rng.choice((0, 0, 1, 2, 3)))
    messages = [Message("system", text(rng))] if rng.random() < 0.5 else []
    messages.append(Message("user", text(rng)))
    for _ in range(rng.randint(0, 5)):
        role = rng.choice(("user", "assistant", "call", "tool"))
        if role == "call":
            calls = tuple(call(rng, rng.random() < 0.5) for _ in range(rng.randint(1, most_calls)))
            messages.append(Message("assistant", text(rng), calls))
        else:
            messages.append(Message(role, text(rng)))
    return Dialog(messages, tools, builtins, datetime.date(2023, 1, 1) + datetime.timedelta(rng.randint(0, 2000)))
