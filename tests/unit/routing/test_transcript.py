"""What is asked of another worker, and what of its answer is new."""

from __future__ import annotations

import pytest

from paddock.v1 import generate_pb2, guard_pb2
from services.routing.error import MalformedError, UpstreamError
from services.routing.transcript import Transcript, check_beginning

Event = generate_pb2.StreamEvent


def started(**parameters):
    """Make a stream's first event."""
    used = {"sampling": {"seed": 9, "temperature": 0.5}, "max_tokens": 20, "n": 2, "date": "2026-01-31", **parameters}
    return Event(started={"model": "m", "prompt_tokens": 3, "parameters": used})


def delta(text, *ids, index=0):
    """Make an event of new text."""
    return Event(output_index=index, token_delta={"text": text, "tokens": [{"id": i} for i in ids]})


def call(*ids, index=0):
    """Make an event of a tool call."""
    return Event(output_index=index, tool_call_delta={"arguments_json": "{", "tokens": [{"id": i} for i in ids]})


def finished(index=0):
    """Make an output's end."""
    return Event(output_index=index, finished={"reason": "FINISH_REASON_STOP", "completion_tokens": 4})


def prompt(*ids):
    """Make an event of the prompt's tokens."""
    return Event(prompt={"tokens": [{"id": i} for i in ids]})


def guard(name, subject=guard_pb2.GUARD_SUBJECT_INPUT):
    """Make a guard speak."""
    return Event(guard={"guard_model": name, "subject": subject})


def message(*events):
    """Make the bytes of a message."""
    return generate_pb2.GenerateStreamResponse(events=events).SerializeToString()


def transcript(*events, request=None, kept_bytes=2**20):
    """Make the transcript of a stream whose messages had one event each."""
    made = Transcript(request or generate_pb2.GenerateRequest(model="m"), kept_bytes)
    for event in events:
        made.add(message(event))
    made.read()
    return made


def continued(made):
    """Give what another worker is asked."""
    return generate_pb2.GenerateRequest.FromString(made.request())


def rest(made, *events):
    """Give what is new in a resumed stream's message."""
    return list(generate_pb2.GenerateStreamResponse.FromString(made.rest(message(*events))).events)


def test_ids_and_text_of_every_output_are_the_continuation():
    made = transcript(started(), delta("Grü", 1, 2), delta("b", 7, index=1), call(3), delta("ße", 4), finished(1))
    first, second = continued(made).continuations

    assert (first.output_index, list(first.token_ids), first.text_bytes) == (0, [1, 2, 3, 4], len("Grüße".encode()))
    assert not first.HasField("finished")
    assert (second.output_index, list(second.token_ids), second.finished.completion_tokens) == (1, [7], 4)


def test_the_parameters_are_those_that_were_used():
    asked = generate_pb2.GenerateRequest(model="m", chat={}, logprobs=2, sampling={"top_p": 0.5}, guards={"input": 3})
    wanted = continued(transcript(started(stop={"token_ids": [5]}), request=asked))

    assert (wanted.sampling.seed, wanted.sampling.temperature) == (9, 0.5)
    assert (wanted.max_tokens, wanted.n, wanted.chat.date, wanted.logprobs) == (20, 2, "2026-01-31", 2)
    assert list(wanted.stop.token_ids) == [5]
    assert wanted.guards.input == 3
    assert not asked.HasField("max_tokens"), "the client's request is its own"


def test_a_prompt_is_told_no_date():
    asked = generate_pb2.GenerateRequest(model="m", prompt="x")
    assert continued(transcript(started(), request=asked)).WhichOneof("input") == "prompt"


def test_the_clients_own_continuation_comes_first():
    asked = generate_pb2.GenerateRequest(model="m")
    asked.continuations.add(output_index=0, token_ids=[1, 2])
    asked.continuations.add(output_index=1, token_ids=[5], text_bytes=3)
    asked.continuations.add(output_index=2, token_ids=[6], finished={"completion_tokens": 1})
    first, second, third = continued(
        transcript(started(), delta("c", 3), delta("d", 4, index=1), request=asked)
    ).continuations

    assert (list(first.token_ids), first.HasField("text_bytes")) == ([1, 2, 3], False)
    assert (list(second.token_ids), second.text_bytes) == ([5, 4], 4)
    assert third.finished.completion_tokens == 1


def test_what_begins_a_stream_is_not_new():
    made = transcript(started(), delta("a", 1))
    made.request()
    assert rest(made, started()) == []
    assert made.rest(message(started())) == b""
    assert rest(made, delta("b", 2), finished()) == [delta("b", 2), finished()]


def test_before_anything_was_sent_all_is_new():
    made = transcript()
    assert not made.begun
    assert rest(made, started(), prompt(1)) == [started(), prompt(1)]


@pytest.mark.parametrize("other", [{"sampling": {"seed": 8}}, {"max_tokens": 21}, {"date": "2026-02-01"}])
def test_another_stream_is_refused(other):
    made = transcript(started())
    made.request()
    with pytest.raises(UpstreamError) as caught:
        rest(made, started(**other))
    assert caught.value.resumable
    assert not caught.value.lost


def test_the_prompts_tokens_are_told_once_however_they_are_cut():
    made = transcript(started(), prompt(1, 2, 3), prompt(4, 5))
    made.request()
    assert rest(made, prompt(1, 2)) == []
    assert rest(made, prompt(3, 4, 5, 6)) == [prompt(6)]
    made.add(message(prompt(6)))
    made.read()
    assert rest(made, prompt(7, 8)) == [prompt(7, 8)]


def test_guards_of_the_input_speak_once():
    made = transcript(started(), guard("a"))
    made.request()
    spoken = [guard("a"), guard("b"), guard("a", guard_pb2.GUARD_SUBJECT_OUTPUT)]
    assert rest(made, *spoken) == spoken[1:]


def test_what_is_read_early_reads_the_same():
    events = [started(), prompt(1), delta("a", 1), guard("g"), delta("b", 2, index=1), call(3), finished(1)]
    early = Transcript(generate_pb2.GenerateRequest(), 0)
    for event in events:
        early.add(message(event))
        assert early.overfull
        early.read()
        assert not early.overfull
    assert early.request() == transcript(*events, request=generate_pb2.GenerateRequest()).request()


def test_joined_messages_read_as_if_they_were_one():
    made = Transcript(generate_pb2.GenerateRequest(), 2**20)
    made.add(message(started()) + message(delta("a", 1)) + message(delta("b", 2)))
    made.read()
    assert list(continued(made).continuations[0].token_ids) == [1, 2]


def test_it_knows_when_all_is_there():
    assert not transcript(started(), finished()).complete
    assert transcript(started(), finished(), Event(completed={})).complete


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 40,
        message(delta("a", 1, index=16)),
        message(*(guard(f"guard {number}") for number in range(1025))),
    ],
    ids=["garbage", "an output beyond all", "guards without end"],
)
def test_what_no_worker_sends_is_no_stream(raw):
    made = transcript(started())
    made.add(raw)
    with pytest.raises(MalformedError) as caught:
        made.read()
    assert caught.value.lost


def test_tokens_without_end_are_no_stream(monkeypatch):
    monkeypatch.setattr("services.routing.transcript._MOST_IDS", 10)
    made = transcript(started(), delta("a", *range(10)))
    made.add(message(delta("a", 1)))
    with pytest.raises(MalformedError):
        made.read()


def test_small_messages_are_kept_for_what_they_take():
    made = Transcript(generate_pb2.GenerateRequest(), 10_000)
    for _ in range(200):
        made.add(b"\x0a\x00")
    assert made.overfull


@pytest.mark.parametrize("raw", [b"", b"\xff", message(delta("a", 1)), message()])
def test_a_stream_begins_with_what_is_started(raw):
    check_beginning(message(started()))
    with pytest.raises(MalformedError):
        check_beginning(raw)
