"""Guarded generation over a real connection: what clients are told, and what never reaches them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from backends.errors import UnavailableError
from backends.types import TokenDelta
from paddock.v1 import chat_pb2, generate_pb2, guard_pb2
from services.config import GuardKind
from services.guard.config import GuardConfig, GuardMode, GuardSubject
from tests.scripted_guard import SAFE, UNSAFE, ScriptedGuard, said
from tests.service.answer import folded
from tests.service.backend import ScriptedBackend, byte_id, end, text
from tests.service.failure import failure
from tests.service.judge import guard_config, guard_folder
from tests.service.rig import chat, model_config, request, serving, soon

ENFORCE = guard_pb2.GUARD_MODE_ENFORCE
BLOCKED = generate_pb2.FINISH_REASON_GUARD_BLOCKED


@pytest.fixture(scope="module")
def guard_checkpoint(tmp_path_factory):
    """A guard's folder."""
    return guard_folder(tmp_path_factory.mktemp("guard"))


@pytest.fixture
def guarded(checkpoint, guard_checkpoint, monkeypatch):
    """Serve a model that a scripted guard watches; yields the rig and the guard."""

    @asynccontextmanager
    async def serve(script=None, *, unsafe=None, subject="output", backend=None, **config):
        attached = GuardConfig(model="z-guard", subject=GuardSubject(subject), **config)
        scripted = ScriptedGuard(unsafe)
        models = (
            model_config(checkpoint, guards=[attached]),
            guard_config(guard_checkpoint, GuardKind.llama_guard, name="z-guard"),
        )
        monkeypatch.setattr("services.inference.classify", lambda request, models, origin: scripted.classify(request))
        async with serving(*models, backend=backend or ScriptedBackend(script or text("One.Two."))) as rig:
            yield rig, scripted

    return serve


def forever():
    """A model that goes on until it is cancelled."""

    async def script(wanted):
        while True:
            yield TokenDelta(tuple(map(byte_id, "on.")))
            await asyncio.sleep(0.001)

    return script


async def test_a_safe_answer_is_the_answer(guarded):
    async with guarded(unsafe=lambda text: False) as (rig, guard):
        stream = await rig.stream(request(chat=chat("Hello?")))
        unary = await rig.generate(request(chat=chat("Hello?"), seed=stream.seed))

    assert stream.only.text == unary.outputs[0].text == "One.Two."
    assert stream.only.reason == "MAX_TOKENS"
    assert stream.only.guards[-1].released_through == len("One.Two.")
    assert stream.only.guards[-1].guard_model == "z-guard"
    assert stream.usage.guard_tokens == 10 * len(stream.only.guards)
    assert unary.outputs[0].guard_events[-1].verdict.decision == SAFE
    assert said(guard.questions[0])[0] == ("USER", "Hello?")


@pytest.mark.parametrize("logprobs", [None, 2])
async def test_an_unsafe_answer_ends_before_what_is_unsafe(guarded, logprobs):
    async with guarded(text("Fine.Bad.More."), unsafe=lambda text: "B" in text, step_chars=1) as (rig, _):
        stream = await rig.stream(request(logprobs=logprobs))
        unary = await rig.generate(request(logprobs=logprobs))

    for output in (*stream.outputs, *unary.outputs):
        assert "Fine.".startswith(output.text)
        assert len(output.tokens) == len(output.text)
        assert output.finished.reason == BLOCKED
        assert output.finished.WhichOneof("matched") is None
    assert stream.only.guards[-1].verdict.decision == unary.outputs[0].guard_events[-1].verdict.decision == UNSAFE
    assert not unary.guard_events


async def test_generate_is_the_stream_in_one_message(guarded):
    async with guarded(unsafe=lambda text: False, subject="input") as (rig, _):
        stream = await rig.stream(request(seed=3), metadata=(("x-request-id", "same"),))
        unary = await rig.generate(request(seed=3), metadata=(("x-request-id", "same"),))

    assert unary == folded(stream)
    assert [event.subject for event in unary.guard_events] == [guard_pb2.GUARD_SUBJECT_INPUT]


async def test_a_refused_input_ends_all_outputs_without_text_and_frees_the_model(guarded):
    backend = ScriptedBackend(forever())
    async with guarded(backend=backend, subject="input") as (rig, guard):
        asking = asyncio.create_task(rig.stream(request(n=3, chat=chat("Harm?"))))
        question = await guard.next()
        await rig.until_load(3)
        question.answer(UNSAFE, categories=["S1"])
        stream = await soon(asking)
        await rig.until_idle()

    assert [(output.text, output.finished.reason) for output in stream.outputs] == [("", BLOCKED)] * 3
    assert list(stream.guards[0].verdict.categories) == ["S1"]
    assert stream.guards[0].guard_model == "z-guard"


async def test_a_missing_guard_is_unavailable(guarded):
    async with guarded() as (rig, guard):
        for call in (rig.generate, rig.stream):
            asking = asyncio.create_task(failure(call(request())))
            (await guard.next()).fail(UnavailableError("engine at 10.0.0.7 is gone"))
            failed = await soon(asking)
            assert failed.code is grpc.StatusCode.UNAVAILABLE
            assert failed.reason == "GUARD_UNAVAILABLE"
            assert failed.told == {"guard": "z-guard", "model": "sim"}
            assert failed.retry_s == 1.0
            assert "10.0.0.7" not in failed.message
        await rig.until_idle()


async def test_a_client_that_leaves_takes_the_guard_along(guarded):
    backend = ScriptedBackend(forever())
    async with guarded(backend=backend) as (rig, guard):
        call = rig.stub.GenerateStream(request())
        await soon(guard.next())
        call.cancel()
        await rig.until_idle()
        assert (guard.open, backend.running) == (0, 0)


async def test_a_request_may_tighten_and_not_loosen(guarded):
    async with guarded(unsafe=lambda text: True, mode=GuardMode.off) as (rig, guard):
        assert (await rig.generate(request())).outputs[0].text == "One.Two."
        assert not guard.questions
        strict = await rig.generate(request(guards=guard_pb2.GuardOptions(output=ENFORCE)))
        assert strict.outputs[0].finished.reason == BLOCKED
        refused = await failure(rig.generate(request(guards=guard_pb2.GuardOptions(input=ENFORCE))))
        assert (refused.code, refused.told["feature"]) == (grpc.StatusCode.UNIMPLEMENTED, "guards")
    async with guarded(unsafe=lambda text: True) as (rig, _):
        loose = await failure(rig.generate(request(guards=guard_pb2.GuardOptions(output=guard_pb2.GUARD_MODE_OFF))))
        assert list(loose.violations) == ["guards.output"]


async def test_a_model_tells_whether_it_has_guards(guarded):
    async with guarded(mode=GuardMode.off) as (rig, _):
        assert (await rig.model("sim")).support.supports_guards
        assert not (await rig.model("z-guard")).support.supports_guards


async def test_a_deadline_leaves_what_was_judged(guarded, early_limit):
    async with guarded(forever(), step_chars=1) as (rig, guard):
        asking = asyncio.create_task(rig.generate(request(), timeout=20.0))
        (await guard.next()).answer(SAFE)
        await guard.next()
        answer = await soon(asking)
        await rig.until_idle()

    assert answer.outputs[0].finished.reason == generate_pb2.FINISH_REASON_TIME_LIMIT
    assert answer.outputs[0].text == guard.questions[0].text
    assert guard.open == 0


async def test_a_stream_that_lost_its_guard_goes_on_as_it_would_have(guarded):
    answer, go_on = "One.Two.Three.", asyncio.Event()

    async def script(wanted):
        for place, character in enumerate(answer[:-1]):
            if place == len("One."):
                await go_on.wait()
            if place >= len(wanted.continuation):
                yield TokenDelta((byte_id(character),))
        yield end(wanted, byte_id(answer[-1]))

    async with guarded(script) as (rig, guard):
        call = rig.stub.GenerateStream(request())
        reading = asyncio.create_task(_read(call))
        (await guard.next()).answer(SAFE)
        go_on.set()
        (await guard.next()).fail(UnavailableError("gone"))
        received = await soon(reading)
        assert "".join(delta.text for delta in received) == "One."
        again = request()
        again.continuations.add(token_ids=[token.id for delta in received for token in delta.tokens])
        asking = asyncio.create_task(rig.stream(again))
        question = await guard.next()
        question.answer(SAFE)
        rest = await soon(asking)

    assert question.text == answer
    assert rest.only.text == "Two.Three."
    assert rest.only.guards[-1].released_through == len(answer)


async def _read(call):
    """Give the text deltas of a stream that loses its guard."""
    deltas = []

    async def take():
        async for message in call:
            deltas.extend(event.token_delta for event in message.events if event.HasField("token_delta"))

    assert (await failure(take())).reason == "GUARD_UNAVAILABLE"
    return deltas


@pytest.mark.parametrize("cut", [16, 19, 22])
async def test_what_was_read_as_a_call_does_not_count_as_text_released(guarded, cut):
    answer = 'So.<function=now>{"a":1]x.Done.'

    async def script(wanted):
        for character in answer[len(wanted.continuation) : -1]:
            yield TokenDelta((byte_id(character),))
        yield end(wanted, byte_id(answer[-1]))

    now = chat_pb2.Tool(function=chat_pb2.FunctionTool(name="now"))
    async with guarded(script, unsafe=lambda text: False) as (rig, _):
        asked = request(max_tokens=60, chat=chat("When?", tools=[now]))
        whole = await rig.stream(asked)
        asked.continuations.add(token_ids=whole.only.ids[:cut])
        rest = await rig.stream(asked)

    assert whole.only.text == answer
    assert whole.only.guards[-1].released_through == rest.only.guards[-1].released_through == len(answer)
