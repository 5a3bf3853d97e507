"""The `meta` layout: what `ChatFormat` and `ToolUtils` of Meta's `llama-models` 0.3.0 write, id for id.

`ChatFormat` knows no definitions of tools. With tools, the system prompt and the user message that show them are those
of the same package's `llama3_1/prompt_format.md` (JSON based tool calling). What differs on purpose is told in
docs/chat-encoding.md.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Sequence

from llama.chat.message import BUILTIN_NAMES, BuiltinTool, Message, Tool
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

_TOOLS_BEFORE = (
    "Answer the user's question by making use of the following functions if needed.\n"
    "If none of the function can be used, please say so.\n"
    "Here is a list of functions in JSON format:\n"
)
_TOOLS_AFTER = "\nReturn function calls in JSON format."


def segments(
    messages: Sequence[Message], tools: Sequence[Tool], builtins: Sequence[BuiltinTool], today: datetime.date
) -> Iterator[Segment]:
    """Lay a conversation out, up to and including the header of the answer. Without tools no date is told.

    Raises:
        ChatError: a built-in tool's call has other arguments than it takes.
    """
    rest = list(messages)
    yield Control(BEGIN_OF_TEXT)
    if tools or builtins:
        instruction = rest.pop(0).content if rest and rest[0].role == "system" else ""
        yield from _message("system", [_system_prompt(builtins, instruction, today)])
        if tools:
            shown = "".join(tool.as_json() + "\n" for tool in tools)
            yield from _message("user", [_TOOLS_BEFORE + shown + _TOOLS_AFTER])
    for index, message in enumerate(rest, len(messages) - len(rest)):
        texts = [*(message.parts or [message.content]), *_calls(message, f"messages[{index}]")]
        writes_code = bool(message.tool_calls) and message.tool_calls[0].name == BuiltinTool.CODE_INTERPRETER
        yield from _message(message.role, texts, python_tag=writes_code, waits=message.end_of_message)
    yield from header("assistant")
    yield "\n\n"


def _message(role: str, texts: Sequence[str], python_tag: bool = False, waits: bool = False) -> Iterator[Segment]:
    yield from header(role)
    yield "\n\n"
    if python_tag:
        yield Control(PYTHON_TAG)
    for text in texts:
        yield from _split(text)
    yield Control(END_OF_MESSAGE if waits else END_OF_TURN)


def _system_prompt(builtins: Sequence[BuiltinTool], instruction: str, today: datetime.date) -> str:
    named = ", ".join(tool.value for tool in builtins if tool is not BuiltinTool.CODE_INTERPRETER)
    lines = [
        "Environment: ipython",
        f"Tools: {named}" if named else "",
        "Cutting Knowledge Date: December 2023",
        f"Today Date: {day_month_year(today)}",
        *(["", instruction] if instruction else []),
        "",
    ]
    return "\n".join(lines)


def _calls(message: Message, path: str) -> Iterator[str]:
    for number, call in enumerate(message.tool_calls):
        if call.name == BuiltinTool.CODE_INTERPRETER:
            yield call.builtin_argument(f"{path}.tool_calls[{number}]")
        elif call.name in BUILTIN_NAMES:
            yield f'{call.name}.call(query="{call.builtin_argument(f"{path}.tool_calls[{number}]")}")'
        else:
            yield json.dumps({"type": "function", "name": call.name, "parameters": call.arguments})


_SPLIT_CHARACTERS = 400_000
_SPLIT_RUN = 25_000
_LONG_RUN = re.compile(rf"\s{{{_SPLIT_RUN + 1},}}|\S{{{_SPLIT_RUN + 1},}}")


def _split(text: str) -> Iterator[str]:
    """Cut a text where Meta's `Tokenizer.encode` does, which changes ids there: in long texts, and in long runs.

    It encodes at most 400,000 characters at once, and in them at most 25,000 in a row that all are white space or all
    are none: a longer run is cut after each 25,000.
    """
    for start in range(0, len(text), _SPLIT_CHARACTERS):
        block = text[start : start + _SPLIT_CHARACTERS]
        cuts = [0]
        for run in _LONG_RUN.finditer(block) if len(block) > _SPLIT_RUN else ():
            cuts += range(run.start() + _SPLIT_RUN, run.end(), _SPLIT_RUN)
        yield from (block[i:j] for i, j in zip(cuts, [*cuts[1:], len(block)], strict=True))
