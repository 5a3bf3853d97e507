"""From chat messages to a prompt: checked, and encoded by the model's own layout. Pure."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from llama import strict_json
from llama.chat import BuiltinTool, ChatEncoder, ChatError, EncodedPrompt, Message, Tool, ToolCall
from paddock.v1 import chat_pb2
from services.checks import Checks, check_text
from services.errors import FeatureUnsupportedError
from services.tool_choice import BUILTINS, callable_tools, check_choice, tool_name

if TYPE_CHECKING:  # a model holds its classifier, which reads conversations
    from services.model import Loaded, ServedModel

_MAX_MESSAGES = 4096
_MAX_PARTS = 16_384
_MAX_TOOLS = 128
_MAX_SCHEMA = 64 * 1024
_MAX_SCHEMAS = 256 * 1024
_MAX_ARGUMENTS = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME_RULE = "is not 1 to 64 characters of A-Z a-z 0-9 _ -"

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}


def encode_chat(chat: chat_pb2.Chat, path: str, model: ServedModel, loaded: Loaded, checks: Checks) -> EncodedPrompt:
    """Encode a conversation; `path` is its field's, for violations. Its date is `told_date`'s.

    Raises:
        FeatureUnsupportedError: the model takes no conversations, or lacks what this one holds.
    """
    if loaded.chat is None:
        raise FeatureUnsupportedError("chat", model.name)
    tools, builtins = _tools(chat, path, model, loaded.chat, checks)
    today = told_date(chat, path, model, checks)
    messages = read_messages(chat, path, checks)
    if not messages:
        return EncodedPrompt([], 0)
    try:
        return loaded.chat.encode(messages, tools=tools, builtin_tools=builtins, today=today)
    except ChatError as error:
        checks.require(False, f"{path}.{error.field}", error.message)
        return EncodedPrompt([], 0)


def read_messages(chat: chat_pb2.Chat, path: str, checks: Checks) -> list[Message]:
    """Read the messages of a conversation; none where anything is wrong with them, which `checks` then knows."""
    count = len(chat.messages)
    if not checks.require(
        1 <= count <= _MAX_MESSAGES, f"{path}.messages", f"{count} messages are not in [1, {_MAX_MESSAGES}]"
    ):
        return []
    parts = sum(len(message.content) for message in chat.messages)
    if not checks.require(parts <= _MAX_PARTS, f"{path}.messages", f"{parts} content parts; at most {_MAX_PARTS}"):
        return []
    messages = [
        _message(message, f"{path}.messages[{index}]", index, checks) for index, message in enumerate(chat.messages)
    ]
    return [] if any(message is None for message in messages) else [m for m in messages if m is not None]


def told_date(chat: chat_pb2.Chat, path: str, model: ServedModel, checks: Checks) -> datetime.date:
    """Give the date that the model is told."""
    if chat.HasField("date"):
        try:
            if re.fullmatch(r"\d{4}-\d\d-\d\d", chat.date):
                return datetime.date.fromisoformat(chat.date)
        except ValueError:
            pass
        checks.require(False, f"{path}.date", "is no date; write it as 2026-01-31")
    return model.today


def _message(message: chat_pb2.Message, path: str, index: int, checks: Checks) -> Message | None:
    role = _ROLES.get(message.role)
    ok = checks.require(role is not None, f"{path}.role", "is none of the roles")
    ok &= checks.require(
        message.role != chat_pb2.ROLE_SYSTEM or index == 0, f"{path}.role", "a system message must be the first"
    )
    is_tool = message.role == chat_pb2.ROLE_TOOL
    ok &= checks.require(
        is_tool or not message.HasField("tool_call_id"), f"{path}.tool_call_id", "belongs to ROLE_TOOL only"
    )
    is_assistant = message.role == chat_pb2.ROLE_ASSISTANT
    ok &= checks.require(is_assistant or not message.tool_calls, f"{path}.tool_calls", "belong to ROLE_ASSISTANT only")
    ok &= checks.require(
        is_assistant or not message.end_of_message, f"{path}.end_of_message", "belongs to ROLE_ASSISTANT only"
    )
    calls = [_tool_call(c, f"{path}.tool_calls[{i}]", checks) for i, c in enumerate(message.tool_calls)]
    ok &= None not in calls
    texts = []
    for number, part in enumerate(message.content):
        field = f"{path}.content[{number}]"
        kind = part.WhichOneof("kind")
        ok &= checks.require(kind is not None, field, "is empty: set text or json")
        ok &= checks.require(kind != "json" or is_tool, f"{field}.json", "belongs to ROLE_TOOL only")
        ok &= checks.require(kind != "json" or _is_json(part.json), f"{field}.json", "is no JSON")
        text = part.json if kind == "json" else part.text
        ok &= check_text(text, f"{field}.{kind or 'text'}", checks)
        texts.append(text)
    if not ok or role is None:
        return None
    is_json = any(part.WhichOneof("kind") == "json" for part in message.content)
    ok = checks.require(not is_json or len(texts) == 1, f"{path}.content", "a json part must be the only one")
    return Message(
        role,
        "".join(texts),
        tuple(call for call in calls if call is not None),
        is_json,
        message.end_of_message,
        tuple(texts),
        message.tool_call_id,
    )


def _tools(
    chat: chat_pb2.Chat, path: str, model: ServedModel, encoder: ChatEncoder, checks: Checks
) -> tuple[list[Tool], list[BuiltinTool]]:
    """Give what is shown to the model: functions, and built-in tools."""
    if not chat.tools:
        checks.require(not chat.HasField("tool_choice"), f"{path}.tool_choice", "is set, and there are no tools")
        return [], []
    if not encoder.supports_tools and any(tool.WhichOneof("kind") == "function" for tool in chat.tools):
        raise FeatureUnsupportedError("tools", model.name)
    if not encoder.supports_builtin_tools and any(tool.WhichOneof("kind") == "builtin" for tool in chat.tools):
        raise FeatureUnsupportedError("builtin_tools", model.name)
    check_choice(chat, path, checks)
    size = sum(len(tool.function.parameters_json) for tool in chat.tools)
    if not checks.require(size <= _MAX_SCHEMAS, f"{path}.tools", f"schemas of more than {_MAX_SCHEMAS} characters"):
        return [], []
    checks.require(len(chat.tools) <= _MAX_TOOLS, f"{path}.tools", f"more than {_MAX_TOOLS}")
    names = [tool_name(tool) for tool in chat.tools]
    checks.require(len(set(names)) == len(names), f"{path}.tools", "two have the same name")
    tools = [_tool(tool, f"{path}.tools[{index}]", checks) for index, tool in enumerate(chat.tools)]
    if not callable_tools(chat):
        return [], []
    return [t for t in tools if isinstance(t, Tool)], [t for t in tools if isinstance(t, BuiltinTool)]


def _tool(tool: chat_pb2.Tool, path: str, checks: Checks) -> Tool | BuiltinTool | None:
    if not checks.require(tool.WhichOneof("kind") is not None, path, "is empty: set function or builtin"):
        return None
    if tool.WhichOneof("kind") == "builtin":
        checks.require(tool.builtin in BUILTINS, f"{path}.builtin", "is none of the built-in tools")
        return BUILTINS.get(tool.builtin)
    function = tool.function
    checks.require(bool(_NAME.fullmatch(function.name)), f"{path}.function.name", _NAME_RULE)
    parameters = _json_object(function.parameters_json or "{}", f"{path}.function.parameters_json", checks)
    return None if parameters is None else Tool(function.name, function.description, parameters)


def _tool_call(call: chat_pb2.ToolCall, path: str, checks: Checks) -> ToolCall | None:
    checks.require(bool(_NAME.fullmatch(call.name)), f"{path}.name", _NAME_RULE)
    arguments = _json_object(call.arguments_json or "{}", f"{path}.arguments_json", checks, _MAX_ARGUMENTS)
    return None if arguments is None else ToolCall(call.name, arguments, call.id)


def _is_json(text: str) -> bool:
    try:
        strict_json.loads(text)
    except ValueError:
        return False
    return True


def _json_object(text: str, field: str, checks: Checks, most: int = _MAX_SCHEMA) -> dict[str, Any] | None:
    if not checks.require(len(text) <= most, field, f"is longer than {most} characters"):
        return None
    try:
        value = strict_json.loads(text)
    except ValueError:
        value = None
    rule = f"is no JSON object of at most {strict_json.MAX_DEPTH} levels"
    return value if checks.require(isinstance(value, dict), field, rule) else None
