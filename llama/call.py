"""Reading tool calls back from what a model wrote.

Llama 3.1 writes a call to a function of the caller's as a JSON object that is its whole answer:
`{"name": ..., "parameters": {...}}`, sometimes with `"type": "function"`. Anything else is text, and so is a call of
something that the caller doesn't have.
"""

from __future__ import annotations

from collections.abc import Collection

from llama import strict_json
from llama.chat import ToolCall


def may_be_call(text: str) -> bool:
    """Tell whether an answer that begins so may turn out to be a call."""
    return text.lstrip().startswith("{")


def read_call(text: str, names: Collection[str]) -> ToolCall | None:
    """Read a whole answer as a call of one of the functions named; None when it is none."""
    try:
        value = strict_json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or not value.keys() <= {"type", "name", "parameters"}:
        return None
    if not isinstance(value.get("name"), str) or value["name"] not in names:
        return None
    arguments = value.get("parameters", {})
    return ToolCall(value["name"], arguments) if isinstance(arguments, dict) else None
