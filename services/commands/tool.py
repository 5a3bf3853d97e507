"""Tool definitions from a JSON file, in the form that OpenAI's API takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddock.v1.chat_pb2 import BuiltinTool, FunctionTool, Tool
from services.commands.console import UsageError, checked

_BUILTIN = {
    "brave_search": BuiltinTool.BUILTIN_TOOL_BRAVE_SEARCH,
    "wolfram_alpha": BuiltinTool.BUILTIN_TOOL_WOLFRAM_ALPHA,
    "code_interpreter": BuiltinTool.BUILTIN_TOOL_CODE_INTERPRETER,
}


def read_tools(path: Path) -> list[Tool]:
    """Read `[{"type": "function", "function": {"name": ..., "description": ..., "parameters": {...}}}, ...]`.

    Llama 3.1's own tools are called by their type: `{"type": "brave_search"}`.
    """
    try:
        listed = json.loads(checked(path.read_text(encoding="utf-8"), f"{path}"))
    except OSError as error:
        raise UsageError(f"--tools: {path} can't be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"--tools: {path} is not JSON: {error}") from None
    if not isinstance(listed, list):
        raise UsageError(f"--tools: {path} is not a JSON list of tools")
    return [_tool(item, f"--tools: {path}: [{index}]") for index, item in enumerate(listed)]


def _tool(item: Any, where: str) -> Tool:
    kind = _taken(item, "type", str, where)
    if kind in _BUILTIN:
        return Tool(builtin=_BUILTIN[kind])
    if kind != "function":
        raise UsageError(f"{where}.type is {kind!r}: it must be function, {' or '.join(_BUILTIN)}")
    function, where = _taken(item, "function", dict, where), f"{where}.function"
    parameters = _taken(function, "parameters", dict, where, {})
    return Tool(
        function=FunctionTool(
            name=_taken(function, "name", str, where),
            description=_taken(function, "description", str, where, ""),
            parameters_json=json.dumps(parameters, ensure_ascii=False) if parameters else "",
        )
    )


_JSON_NAMES: Mapping[type, str] = {str: "a string", dict: "an object"}


def _taken(item: Any, key: str, kind: type, where: str, default: Any = None) -> Any:
    """Return `item[key]`, which must be of a kind; without a default it must be there."""
    if not isinstance(item, Mapping):
        raise UsageError(f"{where} is not an object")
    value = item.get(key, default)
    if value is None:
        raise UsageError(f"{where}.{key} is missing")
    if not isinstance(value, kind):
        raise UsageError(f"{where}.{key} is not {_JSON_NAMES[kind]}")
    return value
