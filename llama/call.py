"""Reading tool calls back from what a model wrote.

Llama 3.1 writes a call to a function of the caller's as a JSON object that is its whole answer:
`{"name": ..., "parameters": {...}}`, sometimes with `"type": "function"`. Anything else is text.
"""

from __future__ import annotations

import json

from llama.chat import ToolCall


def may_be_call(text: str) -> bool:
    """Tell whether an answer that begins so may turn out to be a call."""
    return text.lstrip().startswith("{")


def read_call(text: str) -> ToolCall | None:
    """Read a whole answer as a call; None when it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("parameters", {})
    return ToolCall(value["name"], arguments) if isinstance(arguments, dict) else None
