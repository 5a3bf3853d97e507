"""services.response: messages of bounded size."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from llama.tokenizer import Tokenizer
from paddock.v1.generate_pb2 import GenerateStreamResponse, StreamEvent, TokenDelta
from services.event import Delta
from services.response import Writer, messages
from services.text import Piece
from services.token_bytes import TokenBytes

MIB = 2**20


@given(sizes=st.lists(st.integers(0, 900_000), min_size=1, max_size=8))
def test_events_are_split_in_order_and_no_message_grows_past_its_bound(sizes):
    events = [StreamEvent(token_delta=TokenDelta(text="x" * size)) for size in sizes]
    written = list(messages(events))
    assert [event for message in written for event in message.events] == events
    for message in written:
        assert sum(event.ByteSize() for event in message.events[:-1]) < MIB
    joined = b"".join(message.SerializeToString() for message in written)
    assert GenerateStreamResponse.FromString(joined).events == GenerateStreamResponse(events=events).events


def test_what_fits_is_one_message():
    events = [StreamEvent(token_delta=TokenDelta(text="x"))] * 100
    assert len(list(messages(events))) == 1


def test_many_deltas_at_once_are_several_events(checkpoint):
    tokenizer = Tokenizer((checkpoint / "tokenizer.json").read_text())
    deltas = [Delta(0, Piece("ab", [1, 2], [])) for _ in range(5000)]

    events = Writer(SimpleNamespace(prompt=()), TokenBytes(tokenizer)).write(deltas)

    assert "".join(event.token_delta.text for event in events) == "ab" * 5000
    assert sum(len(event.token_delta.tokens) for event in events) == 10_000
    assert max(len(event.token_delta.tokens) for event in events) <= 1025
