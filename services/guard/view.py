"""What guards are shown of a request. Pure."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from llama.tokenizer import Tokenizer
from paddock.v1 import chat_pb2, classify_pb2, generate_pb2
from services.guard.config import GuardConfig

Role = chat_pb2.Role

_HEX = "[0-9a-fA-F]"
_ESCAPE = re.compile(rf"\\(?:u([dD][89abAB]{_HEX}{{2}})\\u([dD][c-fC-F]{_HEX}{{2}})|u({_HEX}{{4}})|.)", re.DOTALL)
"""Of JSON. All kinds are matched, so that a backslash which is escaped itself escapes nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says, until the other answers.

    Attributes:
        role: USER or ASSISTANT: guards that read conversations know these two.
        by_user: the user wrote some of it; else it is the assistant's, or a tool's.
    """

    role: Role
    text: str
    by_user: bool


def messages(request: generate_pb2.GenerateRequest, tokenizer: Tokenizer) -> Sequence[chat_pb2.Message]:
    """Give the input as a conversation: what is none is one message of the user's."""
    kind = request.WhichOneof("input")
    if kind == "chat":
        return request.chat.messages
    text = request.prompt if kind == "prompt" else decoded(request.token_ids.ids, tokenizer)
    return [by_user(text)]


def by_user(text: str) -> chat_pb2.Message:
    """Make a message of the user's."""
    return chat_pb2.Message(role=Role.ROLE_USER, content=[chat_pb2.ContentPart(text=text)])


def turns(conversation: Sequence[chat_pb2.Message]) -> tuple[Turn, ...]:
    """Put a conversation as user and assistant taking turns.

    Messages of one side that follow each other are joined, so that nothing is judged in pieces. A tool speaks to the
    assistant, as the user does. The system message is the operator's, and left out.
    """
    said = [message for message in conversation if message.role != Role.ROLE_SYSTEM]
    return _joined([Turn(_side(message), _text(message), message.role == Role.ROLE_USER) for message in said])


def resumed(dialog: Sequence[Turn], ids: Sequence[int], tokenizer: Tokenizer) -> tuple[Turn, ...]:
    """Add what an output is said to have already: whoever sends it may have made it up.

    It is the assistant's, unless a control token in it may begin another turn: then it may be the user's.
    """
    forged = not frozenset(tokenizer.control_ids.values()).isdisjoint(ids)
    role = Role.ROLE_USER if forged else Role.ROLE_ASSISTANT
    return _joined([*dialog, Turn(role, readable(decoded(ids, tokenizer)), forged)])


def texts(conversation: Sequence[chat_pb2.Message]) -> list[classify_pb2.ClassifyInput]:
    """Give the texts of a conversation that may hold an injection: per message, the user's own words and the others'.

    Words of system and assistant are judged where a part says that they are a third party's.
    """
    inputs = []
    for message in conversation:
        direct, third_party = [], []
        for part in message.content:
            text = _content(part)
            is_tool = message.role == Role.ROLE_TOOL
            if part.third_party if part.HasField("third_party") else is_tool:
                third_party.append(text)
            elif is_tool or message.role == Role.ROLE_USER:
                direct.append(text)
        for parts, third in ((direct, False), (third_party, True)):
            text = "".join(parts)
            if text.strip():
                inputs.append(classify_pb2.ClassifyInput(text=text, third_party=third))
    return inputs


def last_turns(dialog: Sequence[Turn], config: GuardConfig) -> Iterator[classify_pb2.ClassifyInput]:
    """Give the last turn to be judged; where it isn't the user's, also the user's last one."""
    users = [end for end, turn in enumerate(dialog, 1) if turn.by_user]
    for end in sorted({len(dialog), *users[-1:]}):
        yield from last_turn(dialog[:end], config)


def last_turn(dialog: Sequence[Turn], config: GuardConfig) -> Iterator[classify_pb2.ClassifyInput]:
    """Give the last turn to be judged, in windows, each with what was said before: together they may be huge."""
    if not dialog or not dialog[-1].text.strip():
        return
    turn = dialog[-1]
    for start, end in windows(len(turn.text), 0, config.window_chars, config.overlap_chars):
        yield chat(dialog[:-1], turn.role, turn.text[start:end], config.context_chars)


def windows(length: int, start: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Cut text into windows so that all from `start` on is in one, and each shares `overlap` with what is before it.

    The first one reaches back as far as it can while the windows don't become more.

    Args:
        length: of the text.
        start: where the part to be judged begins.
        size: of a window at most; more than `overlap`.
    """
    stride = size - overlap
    count = max(1, -(-(length - max(0, start - overlap) - overlap) // stride))
    first = max(0, length - overlap - count * stride)
    return [(begin, min(begin + size, length)) for begin in range(first, first + count * stride, stride)]


def chat(dialog: Sequence[Turn], role: Role, text: str, context_chars: int | None) -> classify_pb2.ClassifyInput:
    """Make a conversation whose last message is `text`, with as much of what was said before as is told a guard."""
    said = [chat_pb2.Message(role=role, content=[chat_pb2.ContentPart(text=text)])]
    left = sys.maxsize if context_chars is None else context_chars
    for turn in reversed(dialog):
        if left <= 0:
            break
        said.append(chat_pb2.Message(role=turn.role, content=[chat_pb2.ContentPart(text=turn.text[-left:])]))
        left -= len(turn.text)
    return classify_pb2.ClassifyInput(chat=chat_pb2.Chat(messages=reversed(said)))


def decoded(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """Give the text of ids; a control token becomes a line break."""
    pieces = (b"\n" if tokenizer.is_control(token_id) else tokenizer.piece(token_id) for token_id in ids)
    return b"".join(pieces).decode(errors="replace")


def readable(json_text: str) -> str:
    r"""Write the characters that `\uXXXX` stands for: who reads JSON has them, and escaped they get past a guard."""
    return _ESCAPE.sub(_character, json_text) if "\\u" in json_text else json_text


def _character(escape: re.Match[str]) -> str:
    high, low, single = escape.groups()
    if high:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    if single and not 0xD800 <= int(single, 16) <= 0xDFFF:
        return chr(int(single, 16))
    return escape[0]


def _content(part: chat_pb2.ContentPart) -> str:
    return readable(part.json) if part.WhichOneof("kind") == "json" else part.text


def _joined(said: Iterable[Turn]) -> tuple[Turn, ...]:
    joined = []
    for role, group in groupby(said, key=lambda turn: turn.role):
        turns_of_one = list(group)
        text = "\n\n".join(turn.text for turn in turns_of_one)
        joined.append(Turn(role, text, any(turn.by_user for turn in turns_of_one)))
    return tuple(joined)


def call_text(name: str, arguments_json: str) -> str:
    """Write a tool call as the model writes it."""
    return f"{call_start(name)}{arguments_json}}}"


def call_start(name: str) -> str:
    """Write what comes before the arguments of a tool call."""
    return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "parameters": '


def _side(message: chat_pb2.Message) -> Role:
    return Role.ROLE_ASSISTANT if message.role == Role.ROLE_ASSISTANT else Role.ROLE_USER


def _text(message: chat_pb2.Message) -> str:
    content = "".join(map(_content, message.content))
    calls = (call_text(call.name, readable(call.arguments_json or "{}")) for call in message.tool_calls)
    return "\n".join(filter(None, (content, *calls)))
