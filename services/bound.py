"""How many entries the lists of a request may have, whatever is in them: told before anything reads it. Pure.

What is read entry by entry costs time and memory by their number, and two bytes on the wire can be one. These bounds
are far from what is of use; the checks of each field are closer, and come later.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from paddock.v1 import chat_pb2, classify_pb2, generate_pb2, tokenize_pb2
from services.checks import Checks

_ENTRIES = 32_768
_MESSAGES = 8192
_IDS = 2**20

_Count = tuple[str, int, int]
"""A field, how many entries it has, and how many it may have."""


def check_bounds(request: Message) -> None:
    """Check a request of any method.

    Raises:
        InvalidArgumentError: a list of it is too long.
    """
    checks = Checks()
    for field, count, most in _counts(request):
        if not checks.require(count <= most, field, f"{count} entries; at most {most}"):
            break  # what follows would be counted entry by entry
    checks.done()


def _counts(request: Message) -> Iterator[_Count]:
    if isinstance(request, generate_pb2.GenerateRequest):
        yield from _generate(request)
    elif isinstance(request, tokenize_pb2.TokenizeRequest):
        yield from _chat(request.chat, "chat.")
        for field, count, most in _generate(request.generate):
            yield f"generate.{field}", count, most
    elif isinstance(request, tokenize_pb2.DetokenizeRequest):
        yield "token_ids", len(request.token_ids), _IDS
    elif isinstance(request, classify_pb2.ClassifyRequest):
        yield "excluded_categories", len(request.excluded_categories), _ENTRIES
        yield "added_categories", len(request.added_categories), _ENTRIES
        yield "inputs", len(request.inputs), _ENTRIES
        yield "inputs", sum(len(entry.chat.messages) for entry in request.inputs), _MESSAGES
        for index, entry in enumerate(request.inputs):
            yield from _chat(entry.chat, f"inputs[{index}].chat.")


def _generate(request: generate_pb2.GenerateRequest) -> Iterator[_Count]:
    yield "token_ids.ids", len(request.token_ids.ids), _IDS
    yield "stop.strings", len(request.stop.strings), _ENTRIES
    yield "stop.token_ids", len(request.stop.token_ids), _ENTRIES
    yield "sampling.logit_bias", len(request.sampling.logit_bias), _ENTRIES
    yield "response_format.choice.strings", len(request.response_format.choice.strings), _ENTRIES
    yield "continuations", len(request.continuations), _ENTRIES
    yield "continuations", sum(len(given.token_ids) for given in request.continuations), 16 * _IDS
    yield from _chat(request.chat, "chat.")


def _chat(chat: chat_pb2.Chat, path: str) -> Iterator[_Count]:
    yield f"{path}tools", len(chat.tools), _ENTRIES
    yield f"{path}messages", len(chat.messages), _MESSAGES
    yield f"{path}messages", sum(len(message.content) + len(message.tool_calls) for message in chat.messages), _ENTRIES
