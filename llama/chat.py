"""Chat to token ids, structurally: no text of any role can become a control token.

Two layouts. `hf` gives, for ordinary text, the ids that Hugging Face's Llama-3.1-Instruct chat template gives; `meta`
those of `ChatFormat` in Meta's `llama-models` 0.3.0. Both are lists of segments, a control token or a run of text, and
text is encoded by a tokenizer that knows no control token (`llama.tokenizer`).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from llama.tokenizer import Tokenizer

BEGIN_OF_TEXT = "<|begin_of_text|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
END_OF_MESSAGE = "<|eom_id|>"
END_OF_TEXT = "<|end_of_text|>"

STOP_TOKENS = (END_OF_TEXT, END_OF_MESSAGE, END_OF_TURN)
"""What ends an answer of an Instruct model (Llama 3.1 model card)."""

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_CALL_FORMAT = (
    'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.'
    "Do not use variables.\n\n"
)
_TOOLS_IN_USER_MESSAGE = (
    "Given the following functions, please respond with a JSON for a function call "
    "with its proper arguments that best answers the given prompt.\n\n" + _CALL_FORMAT
)


class ChatError(ValueError):
    """The conversation can't be written in the layout.

    Attributes:
        field: dotted path of the part at fault, such as `messages[2].tool_calls`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Layout(str, Enum):
    """How a conversation is laid out."""

    HF = "hf"
    META = "meta"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the assistant made: the function's name and its arguments, a JSON object."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON schema; the order of its keys is kept."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def as_json(self) -> str:
        """Write it as the `hf` layout shows it to the model."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return _json({"type": "function", "function": function}, indent=4)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        role: "system", "user", "assistant" or "tool".
        content: its text.
        tool_calls: what the assistant called.
        end_of_message: the assistant's message ended with `<|eom_id|>`: it waits for a tool's result.
        is_json: a tool's result is a JSON value, to be written as it is; without it, `hf` writes it as a JSON string.
    """

    role: str
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    is_json: bool = False
    end_of_message: bool = False


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt's ids, and how often its text spelled a control token's name and was kept from becoming one."""

    token_ids: list[int]
    neutralized: int


@dataclass(frozen=True, slots=True)
class _Control:
    name: str


@dataclass(slots=True)
class ChatEncoder:
    """Encodes conversations for one tokenizer in one layout."""

    tokenizer: Tokenizer
    layout: Layout = Layout.HF
    _control: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.layout = Layout(self.layout)
        self._control = self.tokenizer.control_ids
        missing = {BEGIN_OF_TEXT, START_HEADER, END_HEADER, END_OF_TURN, END_OF_MESSAGE} - self._control.keys()
        if missing:
            raise ChatError("layout", f"the tokenizer lacks {', '.join(sorted(missing))}")

    def encode(self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), today: datetime.date) -> EncodedPrompt:
        """Encode a conversation up to and including the header of the answer.

        Args:
            messages: at least one.
            tools: functions the model may call.
            today: the date that the `hf` layout tells the model; `meta` writes none.

        Raises:
            ChatError: the layout can't hold the conversation.
        """
        hf = self.layout is Layout.HF
        segments = _hf_segments(messages, tools, today) if hf else _meta_segments(messages, tools)
        ids: list[int] = []
        neutralized = 0
        for segment in segments:
            if isinstance(segment, _Control):
                ids.append(self._control[segment.name])
            else:
                ids.extend(self.tokenizer.encode(segment))
                neutralized += self.tokenizer.count_control(segment)
        return EncodedPrompt(ids, neutralized)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _header(role: str) -> tuple[_Control, str, _Control]:
    return _Control(START_HEADER), role, _Control(END_HEADER)


def _end(message: Message) -> _Control:
    return _Control(END_OF_MESSAGE if message.end_of_message else END_OF_TURN)


def _hf_segments(messages: Sequence[Message], tools: Sequence[Tool], today: datetime.date) -> Iterator[_Control | str]:
    system, rest = "", list(messages)
    if rest and rest[0].role == "system":
        system = rest.pop(0).content.strip()
    yield _Control(BEGIN_OF_TEXT)
    yield from _header("system")
    environment = "Environment: ipython\n" if tools else ""
    date = f"{today.day:02d} {_MONTHS[today.month - 1]} {today.year:04d}"
    yield f"\n\n{environment}Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n{system}"
    yield _Control(END_OF_TURN)
    if tools:
        if not rest or rest[0].role != "user":
            raise ChatError("messages", "with tools, the first message after the system's must be the user's")
        schemas = "".join(tool.as_json() + "\n\n" for tool in tools)
        yield from _header("user")
        yield f"\n\n{_TOOLS_IN_USER_MESSAGE}{schemas}{rest.pop(0).content.strip()}"
        yield _Control(END_OF_TURN)
    offset = len(messages) - len(rest)
    for index, message in enumerate(rest, offset):
        yield from _header("ipython" if message.role == "tool" else message.role)
        yield "\n\n" + _hf_content(message, index)
        yield _end(message)
    yield from _header("assistant")
    yield "\n\n"


def _hf_content(message: Message, index: int) -> str:
    if message.role == "tool":
        return message.content if message.is_json else _json(message.content)
    if not message.tool_calls:
        return message.content.strip()
    if len(message.tool_calls) > 1:
        raise ChatError(f"messages[{index}].tool_calls", "the hf layout writes one call per message")
    call = message.tool_calls[0]
    return f'{{"name": "{call.name}", "parameters": {_json(call.arguments)}}}'


def _meta_segments(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[_Control | str]:
    if tools:
        raise ChatError("tools", "the meta layout has no tools yet; use the hf layout")
    yield _Control(BEGIN_OF_TEXT)
    for index, message in enumerate(messages):
        if message.tool_calls:
            raise ChatError(f"messages[{index}].tool_calls", "the meta layout has no tool calls yet")
        yield from _header("ipython" if message.role == "tool" else message.role)
        yield "\n\n"
        yield message.content
        yield _end(message)
    yield from _header("assistant")
    yield "\n\n"
