"""services.response: messages of bounded size."""

from hypothesis import given
from hypothesis import strategies as st

from paddock.v1.generate_pb2 import GenerateStreamResponse, StreamEvent, TokenDelta
from services.response import messages

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
