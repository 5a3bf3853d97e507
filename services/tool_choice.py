"""A tool choice that forces a call, as a JSON schema that the whole answer is held to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama import strict_json
from llama.chat import BuiltinTool
from paddock.v1 import chat_pb2
from services.checks import Checks

BUILTINS = {
    chat_pb2.BUILTIN_TOOL_BRAVE_SEARCH: BuiltinTool.BRAVE_SEARCH,
    chat_pb2.BUILTIN_TOOL_WOLFRAM_ALPHA: BuiltinTool.WOLFRAM_ALPHA,
    chat_pb2.BUILTIN_TOOL_CODE_INTERPRETER: BuiltinTool.CODE_INTERPRETER,
}
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
"""Keywords whose value has schemas by names of any kind."""
_DATA = ("const", "enum", "default", "examples")
"""Keywords whose value is data."""
_COMPOSED = ("$ref", "anyOf", "oneOf", "allOf")


def forces_call(chat: chat_pb2.Chat) -> bool:
    """Tell whether a call must be made."""
    choice = chat.tool_choice
    return choice.WhichOneof("kind") == "function_name" or choice.mode == chat_pb2.TOOL_MODE_REQUIRED


def tool_name(tool: chat_pb2.Tool) -> str:
    """Give the name that a tool is called by; that of a built-in tool is a `BuiltinTool`."""
    return BUILTINS.get(tool.builtin, tool.function.name)


def callable_tools(chat: chat_pb2.Chat) -> frozenset[str]:
    """Name the tools that the model may call."""
    choice = chat.tool_choice
    if choice.mode == chat_pb2.TOOL_MODE_NONE:
        return frozenset()
    named = choice.WhichOneof("kind") == "function_name"
    names = map(tool_name, chat.tools)
    return frozenset(name for name in names if not named or name == choice.function_name)


def check_choice(chat: chat_pb2.Chat, path: str, checks: Checks) -> None:
    """Check a conversation's choice; `path` is the conversation's field."""
    choice = chat.tool_choice
    if choice.WhichOneof("kind") == "function_name":
        known = choice.function_name in map(tool_name, chat.tools)
        checks.require(known, f"{path}.tool_choice.function_name", "is none of the tools")
    known = choice.mode in chat_pb2.ToolMode.values()
    checks.require(known, f"{path}.tool_choice.mode", "is none of the modes")


def call_schema(chat: chat_pb2.Chat, path: str, checks: Checks) -> dict[str, Any]:
    """Give the schema of one call, in JSON, of a tool that may be called.

    The name comes first, so that the arguments can be told as they are written.
    """
    names = callable_tools(chat)
    tools = [(index, tool) for index, tool in enumerate(chat.tools) if tool_name(tool) in names]
    calls = []
    for place, (index, tool) in enumerate(tools):
        root = f"#/anyOf/{place}" if len(tools) > 1 else "#"
        parameters = _parameters(tool, f"{path}.tools[{index}].function.parameters_json", checks)
        calls.append(_call(tool_name(tool), _moved(parameters, f"{root}/properties/parameters")))
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _call(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "parameters": parameters},
        "required": ["name", "parameters"],
        "additionalProperties": False,
    }


def _parameters(tool: chat_pb2.Tool, field: str, checks: Checks) -> dict[str, Any]:
    """Give the schema of a tool's arguments, which are an object."""
    if tool.builtin in BUILTINS:
        return _exactly({BUILTINS[tool.builtin].parameter: {"type": "string"}})
    try:
        schema = strict_json.loads(tool.function.parameters_json or "{}")
    except ValueError:
        schema = None
    if not isinstance(schema, dict):
        return {}  # refused where tools are read
    if not schema:
        return _exactly({})
    if "type" not in schema and not any(keyword in schema for keyword in _COMPOSED):
        return {"type": "object", **schema}
    checks.require(schema.get("type", "object") == "object", field, "its type is not object")
    return schema


def _exactly(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _moved(schema: Any, root: str) -> Any:
    """Copy a schema to another place: references to its own root, `#`, follow."""
    if isinstance(schema, list):
        return [_moved(part, root) for part in schema]
    if not isinstance(schema, dict):
        return schema
    moved: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[keyword] = root + value[1:]
        elif keyword in _NAMED and isinstance(value, dict):
            moved[keyword] = {name: _moved(part, root) for name, part in value.items()}
        else:
            moved[keyword] = value if keyword in _DATA else _moved(value, root)
    return moved
