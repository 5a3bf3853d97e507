"""The `hf` layout: what the chat template of Hugging Face's Llama-3.1-Instruct repositories writes.

Checked against that template's behaviour; where it differs on purpose is told in docs/chat-encoding.md.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from llama.chat.message import BuiltinTool, ChatError, Message, Tool, to_json
from llama.chat.segment import (
    BEGIN_OF_TEXT,
    END_OF_MESSAGE,
    END_OF_TURN,
    PYTHON_TAG,
    Control,
    Segment,
    day_month_year,
    header,
)

_TOOLS_IN_USER_MESSAGE = (
    "Given the following functions, please respond with a JSON for a function call "
    "with its proper arguments that best answers the given prompt.\n\n"
    'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.'
    "Do not use variables.\n\n"
)


def segments(
    messages: Sequence[Message], tools: Sequence[Tool], builtins: Sequence[BuiltinTool], today: datetime.date
) -> Iterator[Segment]:
    """Lay a conversation out, up to and including the header of the answer.

    Raises:
        ChatError: it has tools and no first user message to put them in, or several calls in a message.
    """
    system, rest = "", list(messages)
    if rest and rest[0].role == "system":
        system = rest.pop(0).content.strip()
    yield Control(BEGIN_OF_TEXT)
    yield from header("system")
    yield "\n\n" + _environment(tools, builtins) + _dates(today) + system
    yield Control(END_OF_TURN)
    if tools:
        if not rest or rest[0].role != "user":
            raise ChatError("messages", "with tools, the first message after the system's must be the user's")
        yield from header("user")
        shown = "".join(tool.as_json() + "\n\n" for tool in tools)
        yield "\n\n" + _TOOLS_IN_USER_MESSAGE + shown + rest.pop(0).content.strip()
        yield Control(END_OF_TURN)
    for index, message in enumerate(rest, len(messages) - len(rest)):
        yield from header(message.role)
        yield from _content(message, builtins, f"messages[{index}]")
        waits = message.end_of_message or (bool(message.tool_calls) and bool(builtins))
        yield Control(END_OF_MESSAGE if waits else END_OF_TURN)
    yield from header("assistant")
    yield "\n\n"


def _environment(tools: Sequence[Tool], builtins: Sequence[BuiltinTool]) -> str:
    environment = "Environment: ipython\n" if tools or builtins else ""
    if builtins:
        named = ", ".join(tool.value for tool in builtins if tool is not BuiltinTool.CODE_INTERPRETER)
        environment += f"Tools: {named}\n\n"
    return environment


def _dates(today: datetime.date) -> str:
    return f"Cutting Knowledge Date: December 2023\nToday Date: {day_month_year(today, month_letters=3)}\n\n"


def _content(message: Message, builtins: Sequence[BuiltinTool], path: str) -> Iterator[Segment]:
    if message.role == "tool":
        yield "\n\n" + (message.content if message.is_json else to_json(message.content))
    elif not message.tool_calls:
        yield "\n\n" + message.content.strip()
    elif len(message.tool_calls) > 1:
        raise ChatError(f"{path}.tool_calls", "the hf layout writes one call per message")
    elif (call := message.tool_calls[0]).name in builtins:
        argument = call.builtin_argument(f"{path}.tool_calls[0]")
        yield "\n\n"
        yield Control(PYTHON_TAG)
        yield f'{call.name}.call({BuiltinTool(call.name).parameter}="{argument}")'
    else:
        yield f'\n\n{{"name": "{call.name}", "parameters": {to_json(call.arguments)}}}'
