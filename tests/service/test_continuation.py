"""A stream that was cut anywhere and resumed with what was received is the same stream."""

from __future__ import annotations

import pytest

from paddock.v1 import generate_pb2
from tests.service.answer import Stream
from tests.service.backend import ScriptedBackend, byte_id, end
from tests.service.rig import model_config, request, serving, simulator

SHAPES = {
    "greedy": {},
    "seeded": {"temperature": 1.0, "seed": 7, "top_p": 0.9},
    "penalized": {"frequency_penalty": 0.7, "repetition_penalty": 1.2, "temperature": 0.8, "seed": 2},
    "several": {"n": 3, "temperature": 1.0, "seed": 11},
    "stop strings": {"strings": ["e", "th"], "n": 3, "temperature": 1.0, "seed": 4},
    "stop strings kept": {"strings": ["on"], "include_in_output": True, "n": 3, "temperature": 1.0, "seed": 4},
    "many partial matches": {
        "strings": ["aX", "eX", "iX", "oX", "sX", "tX", "tiX", "\ufffdX", " X"], "n": 2, "temperature": 1.5, "seed": 6
    },
    "min tokens": {"min_tokens": 20, "stop_ids": list(range(64)), "temperature": 1.0, "seed": 1},
}  # fmt: skip


def cut_after(wanted: generate_pb2.GenerateRequest, stream: Stream, messages: int) -> Stream:
    """Give what a client holds that lost its stream after so many messages."""
    held = Stream(wanted)
    for message in stream.messages[:messages]:
        held.add(message)
    return held


def resume(wanted: generate_pb2.GenerateRequest, held: Stream) -> generate_pb2.GenerateRequest:
    """Ask for the rest."""
    again = generate_pb2.GenerateRequest()
    again.CopyFrom(wanted)
    again.sampling.seed = held.seed
    for index, output in enumerate(held.outputs):
        again.continuations.add(output_index=index, token_ids=output.ids, finished=output.finished)
    return again


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_stream_cut_at_any_message_goes_on_as_it_would_have(rig, shape):
    wanted = request(**{"max_tokens": 24, **SHAPES[shape]})
    whole = await rig.stream(wanted)

    for messages in range(1, len(whole.messages)):
        held = cut_after(wanted, whole, messages)
        rest = await rig.stream(resume(wanted, held))
        for before, after, expected in zip(held.outputs, rest.outputs, whole.outputs, strict=True):
            assert before.text + after.text == expected.text
            assert before.ids + after.ids == expected.ids
            assert (before.finished or after.finished) == expected.finished
        assert rest.started.parameters == whole.started.parameters
        assert rest.started.prompt_tokens == whole.started.prompt_tokens
        assert rest.usage.prompt_tokens == whole.usage.prompt_tokens
        if not any(output.finished for output in held.outputs):
            assert rest.usage == whole.usage


async def test_what_two_stop_strings_held_back_is_not_sent_twice(checkpoint):
    """`b` may begin `bd`; the `c` that says no may begin `ce`; so `ab` leaves while `c` is held."""

    async def script(wanted):
        answer = [byte_id("a"), byte_id("b"), byte_id("c"), byte_id("!")]
        from backends.types import TokenDelta

        for token_id in answer[len(wanted.continuation) : -1]:
            yield TokenDelta((token_id,))
        yield end(wanted, answer[-1])

    async with serving(model_config(checkpoint), backend=ScriptedBackend(script)) as rig:
        wanted = request(strings=["bd", "ce"], max_tokens=4)
        assert (await rig.stream(wanted)).only.text == "abc!"
        for count in range(4):
            again = request(strings=["bd", "ce"], max_tokens=4)
            again.continuations.add(token_ids=[byte_id(c) for c in "abc!"[:count]])
            rest = await rig.stream(again)
            assert rest.only.text == "abc!"[count:]
            assert rest.only.finished.completion_tokens == 4


async def test_every_prefix_of_the_ids_can_be_resumed(checkpoint):
    """The ids of a stream are a continuation wherever they are cut between characters."""
    async with serving(model_config(checkpoint, simulator(echo_from=1))) as rig:
        wanted = request("Grüße 🐎🐴 नमस्ते", max_tokens=60)
        whole = await rig.stream(wanted)
        for count in range(len(whole.only.ids)):
            again = request("Grüße 🐎🐴 नमस्ते", max_tokens=60)
            again.continuations.add(token_ids=whole.only.ids[:count])
            rest = await rig.stream(again)
            assert rest.only.ids == whole.only.ids[count:]
            raw = b"".join(token.piece for token in whole.only.tokens[:count])
            try:
                before = raw.decode()
            except UnicodeDecodeError:
                continue  # a client is never left with half a character
            assert before + rest.only.text == whole.only.text


async def test_finished_outputs_stay_finished(rig):
    wanted = request(n=3, temperature=1.0, seed=3)
    whole = await rig.stream(wanted)
    again = request(n=3, temperature=1.0, seed=3)
    for index in (0, 2):
        again.continuations.add(
            output_index=index, token_ids=whole.outputs[index].ids, finished=whole.outputs[index].finished
        )

    rest = await rig.stream(again)

    assert [output.text for output in rest.outputs] == ["", whole.outputs[1].text, ""]
    assert rest.usage == whole.usage


async def test_all_outputs_finished_is_a_complete_stream(rig):
    wanted = request()
    wanted.continuations.add(token_ids=[1, 2, 3], finished={"completion_tokens": 3})

    stream = await rig.stream(wanted)
    answer = await rig.generate(wanted)

    assert stream.usage.completion_tokens == answer.usage.completion_tokens == 3
    assert not answer.outputs[0].text


async def test_a_continuation_that_already_holds_the_stop_string_ends_at_once(rig):
    wanted = request(strings=["STOP"], max_tokens=24)
    wanted.continuations.add(token_ids=[byte_id(c) for c in "aSTOP"])

    stream = await rig.stream(wanted)

    assert stream.only.text == ""
    assert stream.only.finished.stop_string == "STOP"
    assert stream.only.finished.completion_tokens == 5


async def test_a_continuation_counts_toward_the_context(rig):
    wanted = request(token_ids=generate_pb2.TokenIds(ids=[7] * 500), max_tokens=100)
    wanted.continuations.add(token_ids=[1] * 8)

    stream = await rig.stream(wanted)

    assert stream.only.reason == "CONTEXT_LIMIT"
    assert len(stream.only.ids) == 4
    assert stream.only.finished.completion_tokens == 12


async def test_effective_parameters_say_exactly_what_is_used(shared_rig):
    """A resumed request is sent with EffectiveParameters: they must not be a rounded copy of what was used."""
    from services import request as requests

    model = shared_rig.server.models.all[0]
    loaded, _ = model.ready()
    bare = generate_pb2.GenerateRequest(prompt="the horse")
    planned = requests.plan(bare, model, loaded)
    from services import response as responses

    used = responses.started(planned, "id", "sim").parameters
    again = generate_pb2.GenerateRequest(prompt="the horse", sampling=used.sampling, stop=used.stop)
    again.max_tokens, again.min_tokens, again.n = used.max_tokens, used.min_tokens, used.n

    assert requests.plan(again, model, loaded) == planned


async def test_effective_parameters_of_a_request_at_the_limits_can_be_put_back(rig):
    first = await rig.stream(request(stop_ids=range(64)))
    again = request()
    again.stop.CopyFrom(first.started.parameters.stop)

    assert (await rig.stream(again)).only.ids == first.only.ids
