"""Lists that are too long are told by their field, whatever method they come by."""

from __future__ import annotations

import pytest

from paddock.v1 import chat_pb2, classify_pb2, generate_pb2, tokenize_pb2
from services.bound import check_bounds
from services.errors import InvalidArgumentError

MANY = 40_000
_MESSAGES = chat_pb2.Chat(messages=[{}] * 9000)
_PARTS = chat_pb2.Chat(messages=[{"content": [{}] * MANY}])
_CALLS = chat_pb2.Chat(messages=[{}, {"tool_calls": [{}] * MANY}])
_TOOLS = chat_pb2.Chat(tools=[{}] * MANY)
Generate, Tokenize, Classify = generate_pb2.GenerateRequest, tokenize_pb2.TokenizeRequest, classify_pb2.ClassifyRequest


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Generate(chat=_MESSAGES), "chat.messages"),
        (Generate(chat=_PARTS), "chat.messages"),
        (Generate(chat=_CALLS), "chat.messages"),
        (Generate(chat=_TOOLS), "chat.tools"),
        (Generate(continuations=[{}] * MANY), "continuations"),
        (Generate(stop={"strings": [""] * MANY}), "stop.strings"),
        (Generate(stop={"token_ids": [1] * MANY}), "stop.token_ids"),
        (Generate(sampling={"logit_bias": dict.fromkeys(range(MANY), 0.0)}), "sampling.logit_bias"),
        (Generate(response_format={"choice": {"strings": ["a"] * MANY}}), "response_format.choice.strings"),
        (Generate(token_ids={"ids": [1] * (2**20 + 1)}), "token_ids.ids"),
        (Tokenize(chat=_PARTS), "chat.messages"),
        (Tokenize(generate=Generate(chat=_TOOLS)), "generate.chat.tools"),
        (tokenize_pb2.DetokenizeRequest(token_ids=[1] * (2**20 + 1)), "token_ids"),
        (Classify(inputs=[{}] * MANY), "inputs"),
        (Classify(inputs=[{"chat": chat_pb2.Chat(messages=[{}] * 3000)}] * 3), "inputs"),
        (Classify(inputs=[{"chat": _CALLS}]), "inputs[0].chat.messages"),
        (Classify(excluded_categories=["S1"] * MANY), "excluded_categories"),
        (Classify(added_categories=[{}] * MANY), "added_categories"),
    ],
)
def test_a_list_that_is_too_long(request_, field):
    with pytest.raises(InvalidArgumentError) as caught:
        check_bounds(request_)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_every_list_of_a_request_is_bounded():
    """One that the API gets anew is to be bounded, too."""

    def lists(descriptor, path=""):
        for field in descriptor.fields:
            if field.is_repeated:
                yield f"{path}{field.name}"
            if field.message_type and not field.message_type.GetOptions().map_entry:
                yield from lists(field.message_type, f"{path}{field.name}.")

    generate = set(lists(Generate.DESCRIPTOR))
    assert generate == {
        *("chat.messages", "chat.messages.content", "chat.messages.tool_calls", "chat.tools"),
        *("token_ids.ids", "sampling.logit_bias", "stop.strings", "stop.token_ids"),
        *("response_format.choice.strings", "continuations", "continuations.token_ids"),
    }
    chat = {name for name in generate if name.startswith("chat.")}
    assert set(lists(Tokenize.DESCRIPTOR)) == chat | {f"generate.{name}" for name in generate}
    added = {"inputs", "excluded_categories", "added_categories"}
    assert set(lists(Classify.DESCRIPTOR)) == {f"inputs.{name}" for name in chat} | added
