"""What a tool choice lets a model call; a call that must be made is a grammar that the answer is held to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backends.types import Grammar
from llama import strict_json
from llama.chat import BuiltinTool
from paddock.v1 import chat_pb2
from services.checks import Checks
from services.grammar.json_value import Values, literal
from services.grammar.rule import GrammarError, Rule, write
from services.schema import compile_schema

BUILTINS = {
    chat_pb2.BUILTIN_TOOL_BRAVE_SEARCH: BuiltinTool.BRAVE_SEARCH,
    chat_pb2.BUILTIN_TOOL_WOLFRAM_ALPHA: BuiltinTool.WOLFRAM_ALPHA,
    chat_pb2.BUILTIN_TOOL_CODE_INTERPRETER: BuiltinTool.CODE_INTERPRETER,
}
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


def call_grammar(chat: chat_pb2.Chat, path: str, checks: Checks) -> Grammar | None:
    """Make the grammar of one call, in JSON, of a tool that may be called; None, and a note, where that can't be done.

    The name comes first, so that the arguments can be told as they are written.
    """
    names = callable_tools(chat)
    call, readable, values = Rule(), True, Values()
    for index, tool in enumerate(chat.tools):
        if (name := tool_name(tool)) in names:
            arguments = _arguments(tool, f"{path}.tools[{index}].function.parameters_json", checks, values)
            readable &= arguments is not None
            call.add(f'{{"name": {literal(name)}, "parameters": ', arguments or Rule(), "}")
    if not readable or not names:
        return None  # noted, here or where choice and tools are checked
    try:
        return Grammar(write(call))
    except GrammarError as error:
        checks.require(False, f"{path}.tools", str(error))
        return None


def _arguments(tool: chat_pb2.Tool, field: str, checks: Checks, values: Values) -> Rule | None:
    """Make the rule of a tool's arguments, which are an object."""
    if tool.builtin in BUILTINS:
        return compile_schema(_exactly({BUILTINS[tool.builtin].parameter: {"type": "string"}}), field, checks, values)
    try:
        schema = strict_json.loads(tool.function.parameters_json or "{}")
    except ValueError:
        schema = None
    if not isinstance(schema, dict):
        return None  # refused where tools are read
    if not schema:
        return compile_schema(_exactly({}), field, checks, values)
    if "type" not in schema and not any(keyword in schema for keyword in _COMPOSED):
        return compile_schema({"type": "object", **schema}, field, checks, values)
    rule = compile_schema(schema, field, checks, values)
    objects = rule is None or checks.require(_writes_objects(rule), field, "its type is not object")
    return rule if objects else None


def _writes_objects(rule: Rule) -> bool:
    """Tell whether all that a rule of JSON values lets through is objects."""
    pending, seen = [rule], {id(rule)}
    while pending:
        for first, *_ in pending.pop().options:
            if isinstance(first, Rule):
                if id(first) not in seen:
                    seen.add(id(first))
                    pending.append(first)
            elif not (isinstance(first, str) and first.startswith("{")):
                return False
    return True


def _exactly(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
