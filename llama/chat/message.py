"""What a conversation is made of, whatever its layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class ChatError(ValueError):
    """The conversation can't be written in the layout.

    Attributes:
        field: dotted path of the part at fault, such as `messages[2].tool_calls`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class BuiltinTool(str, Enum):
    """A tool that Llama 3.1 was trained on, by its name in prompts."""

    BRAVE_SEARCH = "brave_search"
    WOLFRAM_ALPHA = "wolfram_alpha"
    CODE_INTERPRETER = "code_interpreter"

    @property
    def parameter(self) -> str:
        """Name its one argument, a string."""
        return "code" if self is BuiltinTool.CODE_INTERPRETER else "query"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON schema; the order of its keys is kept."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Write it as OpenAI's API does, which is what chat templates are made for."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    def as_json(self) -> str:
        """Write it as Llama 3.1's layouts show it to the model."""
        return _indented(self.as_dict(), "")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the assistant made: the function's name and its arguments, a JSON object."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""

    def builtin_argument(self, field: str) -> str:
        """Give the one argument of a call of a built-in tool; `field` is the call's path.

        Raises:
            ChatError: there is another, or it is no string.
        """
        parameter = BuiltinTool(self.name).parameter
        value = self.arguments.get(parameter)
        if not isinstance(value, str) or len(self.arguments) > 1:
            raise ChatError(field, f"{self.name} takes one argument, the string {parameter}")
        return value


BUILTIN_NAMES = frozenset(tool.value for tool in BuiltinTool)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        role: "system", "user", "assistant" or "tool".
        content: its text.
        tool_calls: what the assistant called.
        is_json: a tool's result is a JSON value, to be written as it is; without it, `hf` writes it as a JSON string.
        end_of_message: the assistant's message ended with `<|eom_id|>`: it waits for a tool's result.
        parts: what `content` was joined from; `meta` encodes each part by itself. Empty: it is one.
        tool_call_id: of a tool's result, the call that it answers; some templates write it.
    """

    role: str
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    is_json: bool = False
    end_of_message: bool = False
    parts: tuple[str, ...] = ()
    tool_call_id: str = ""


to_json = json.JSONEncoder(ensure_ascii=False).encode
"""Write JSON as transformers' `tojson` filter does: no escapes for the sake of ASCII or HTML, keys as they come."""


_string: Callable[[str], str] = json.encoder.encode_basestring


def _indented(value: Any, margin: str) -> str:
    """Write JSON as `to_json`, indented by 4: with `json.dumps` that costs as much as encoding what it writes."""
    if isinstance(value, str):
        return _string(value)
    inner = margin + "    "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{_string(key)}: {_indented(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _indented(item, inner) for item in value) + f"\n{margin}]"
    return to_json(value)
