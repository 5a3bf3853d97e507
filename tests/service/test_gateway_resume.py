"""A worker is lost, and the client doesn't notice: its stream is the one that nothing disturbed."""

from __future__ import annotations

import asyncio
import dataclasses

import grpc
import pytest
import pytest_asyncio

from backends.errors import ComputeError, UnavailableError
from backends.simulator.backend import SimulatorBackend
from backends.types import TokenDelta
from paddock.v1 import chat_pb2
from tests.service.answer import Stream
from tests.service.backend import Breaking, ScriptedBackend, byte_id, end, failing
from tests.service.failure import failure
from tests.service.gateway import gateway, until_serving
from tests.service.rig import chat, model_config, request, simulator, soon, until

ID = (("x-request-id", "same"),)

SHAPES = {
    "greedy": {},
    "seeded": {"temperature": 1.0, "seed": 7, "top_p": 0.9},
    "unseeded": {"temperature": 1.0},
    "penalized": {"frequency_penalty": 0.7, "repetition_penalty": 1.2, "temperature": 0.8, "seed": 2},
    "several": {"n": 3, "temperature": 1.0, "seed": 11},
    "stop strings": {"strings": ["e", "th"], "n": 3, "temperature": 1.0, "seed": 4},
    "logprobs": {"logprobs": 3, "prompt_logprobs": 2, "n": 2, "temperature": 1.0, "seed": 5},
    "min tokens": {"min_tokens": 20, "stop_ids": list(range(64)), "temperature": 1.0, "seed": 1},
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def breaking(checkpoint):
    """A gateway, two workers that can be made to lose what they compute, and one that never does."""
    model = model_config(checkpoint)
    backends = [Breaking(_simulator(), 0, losses=0) for _ in range(2)]
    async with gateway(model, model, model, backends=[*backends, None]) as (rig, (*_, undisturbed), _):
        yield rig, backends, undisturbed


def _simulator():
    settings = dataclasses.asdict(simulator())
    settings.pop("_target_")
    return SimulatorBackend(**settings)


@pytest.mark.parametrize("at_token", [0, 1, 7, 23])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_stream_whose_worker_is_lost_is_the_undisturbed_one(breaking, shape, at_token):
    rig, backends, undisturbed = breaking
    for backend in backends:
        backend.at_token, backend.losses = at_token, 1
    wanted = request(**{"max_tokens": 24, **SHAPES[shape]})

    call = rig.stub.GenerateStream(wanted, metadata=ID)
    stream = Stream(wanted)
    async for message in call:
        stream.add(message)
    stream.check_end()

    wanted.sampling.seed = stream.seed
    twin = await undisturbed.stream(wanted, metadata=ID)
    assert stream.started == twin.started
    assert stream.outputs == twin.outputs
    assert stream.prompt == twin.prompt
    assert stream.usage == twin.usage
    attempts = int(dict(await call.trailing_metadata())["x-paddock-attempts"])
    assert attempts == 3 - sum(backend.losses for backend in backends)


async def test_a_stream_of_which_nothing_is_kept_unread_is_resumed_the_same(checkpoint):
    model = model_config(checkpoint)
    breaking = Breaking(_simulator(), 12)
    workers = gateway(model, model, backends=[breaking, None], fallback=True, retry={"kept_bytes": 0})
    async with workers as (rig, (_, undisturbed), _):
        wanted = request(n=2, temperature=1.0, seed=3)
        stream, twin = [await one.stream(wanted) for one in (rig, undisturbed)]

    assert not breaking.losses
    assert (stream.outputs, stream.usage) == (twin.outputs, twin.usage)


class Held:
    """A script that stops at a token until it is let go, and goes on from whatever continuation it is given."""

    def __init__(self, answer="One two three.", at_token=4):
        self.answer = answer
        self.at_token = at_token
        self.go_on = asyncio.Event()

    async def __call__(self, wanted):
        for place in range(len(wanted.continuation), len(self.answer) - 1):
            if place == self.at_token:
                await self.go_on.wait()
            yield TokenDelta(ids_of(self.answer[place]))
        yield end(wanted, *ids_of(self.answer[-1]))


def ids_of(string):
    """Give ASCII text's ids in the test tokenizer, a token per byte."""
    return tuple(SPACE if character == " " else byte_id(character) for character in string)


SPACE = 220  # of byte-level alphabets: byte 32 is the 33rd of those that no printable character stands for


async def read_until(call, stream, text):
    """Read a stream until an output's text is there."""
    while stream.outputs[0].text != text:
        stream.add(await soon(call.read()))


async def read_out(call, stream):
    """Read the rest of a stream."""
    while (message := await soon(call.read())) is not grpc.aio.EOF:
        stream.add(message)
    stream.check_end()
    return stream


def runner(backends):
    """Give the number of the backend that computes."""
    (number,) = [number for number, backend in enumerate(backends) if backend.running]
    return number


@pytest.fixture
def held_at():
    """Make backends that stop at a token, all at once."""

    def make(count=2, **settings):
        script = Held(**settings)
        return script, [ScriptedBackend(script) for _ in range(count)]

    return make


async def test_a_stream_goes_on_when_its_connection_breaks(checkpoint, held_at):
    script, backends = held_at()
    model = model_config(checkpoint)
    async with gateway(model, model, backends=backends) as (rig, _, wires):
        wanted = request(max_tokens=50)
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        await read_until(call, stream, "One ")
        first = runner(backends)
        wires[first].cut()

        async def moved():
            return [backend.running for backend in backends] == [int(n != first) for n in range(2)]

        await until(moved)
        script.go_on.set()
        await read_out(call, stream)
        assert stream.only.text == script.answer
        assert stream.only.ids == list(ids_of(script.answer))
        assert stream.usage.completion_tokens == len(script.answer)

        await until_serving(rig, 1)
        await wires[first].mend()
        await until_serving(rig, 2)


async def test_a_connection_that_ends_is_no_reason_to_ask_nobody(checkpoint, held_at, monkeypatch):
    """One worker, and its connection is replaced: no call finds that there is none."""
    monkeypatch.setattr("services.routing.upstream._STEADY_S", -1.0)
    script, backends = held_at(1)
    script.go_on.set()
    async with gateway(model_config(checkpoint), backends=backends) as (rig, _, (wire,)):
        (upstream,) = rig.server.router.routes[0].upstreams
        changes = []
        upstream._on_change = lambda: changes.append(upstream.serving)
        wire.drop()
        assert (await rig.generate(request(max_tokens=50))).outputs[0].text == script.answer
        assert all(changes)  # its slots may become known meanwhile
        wire.cut()
        await until_serving(rig, 0)


async def test_generate_is_made_again_elsewhere(checkpoint, held_at):
    script, backends = held_at()
    model = model_config(checkpoint)
    async with gateway(model, model, backends=backends) as (rig, _, wires):
        asking = asyncio.create_task(rig.generate(request(max_tokens=50)))

        async def runs():
            return sum(backend.running for backend in backends) == 1

        await until(runs)
        wires[runner(backends)].cut()
        script.go_on.set()
        answer = await soon(asking)

    assert answer.outputs[0].text == script.answer


async def test_a_stream_waits_for_its_only_worker_to_come_back(checkpoint, held_at):
    script, backends = held_at(1)
    async with gateway(model_config(checkpoint), backends=backends, retry={"resume_wait_s": 30.0}) as (rig, _, wires):
        wanted = request(max_tokens=50)
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        await read_until(call, stream, "One ")
        wires[0].cut()
        await until_serving(rig, 0)
        await wires[0].mend()
        script.go_on.set()

        assert (await read_out(call, stream)).only.text == script.answer


async def test_a_request_that_loses_its_only_worker_before_it_begins_waits_for_it_too(checkpoint):
    async with gateway(model_config(checkpoint)) as (rig, (worker,), (wire,)):
        admission = worker.server.models.all[0].loaded.admission
        enter, arrived = admission.enter, asyncio.Event()

        async def never(_):
            arrived.set()
            await asyncio.Event().wait()

        admission.enter = never
        answer = asyncio.create_task(rig.stream(request()))
        await soon(arrived.wait())
        admission.enter = enter
        wire.cut()
        await until_serving(rig, 0)
        await wire.mend()
        assert (await soon(answer)).only.text


async def test_a_stream_that_nobody_resumes_is_unavailable_after_a_while(checkpoint, held_at):
    _, backends = held_at(1)
    async with gateway(model_config(checkpoint), backends=backends, retry={"resume_wait_s": 0.1}) as (rig, _, wires):
        wanted = request(max_tokens=50)
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        await read_until(call, stream, "One ")
        wires[0].cut()
        failed = await failure(read_out(call, stream))

    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert failed.told == {"model": "sim"}
    assert "127.0.0.1" not in failed.message
    assert stream.only.text == "One "


async def test_a_request_that_fails_by_itself_is_not_tried_elsewhere(checkpoint):
    model = model_config(checkpoint)
    backends = [ScriptedBackend(failing(ComputeError("cursed"), after=2)) for _ in range(2)]
    async with gateway(model, model, backends=backends) as (rig, _, _):
        for method in (rig.stub.Generate, rig.stub.GenerateStream):
            call = method(request())

            async def read_all(call=call):
                if hasattr(call, "read"):
                    while await call.read() is not grpc.aio.EOF:
                        pass
                else:
                    await call

            failed = await failure(read_all())
            assert (failed.code, failed.reason) == (grpc.StatusCode.INTERNAL, "COMPUTATION_FAILED")
            assert ("x-paddock-attempts", "1") in set(await call.trailing_metadata())


async def one_more_and_lost(wanted):
    """Write the next token of an answer, and be lost; but for its last token."""
    answer = ids_of("One two three.")
    written = len(wanted.continuation)
    if written == len(answer) - 1:
        yield end(wanted, answer[-1])
        return
    yield TokenDelta((answer[written],))
    raise UnavailableError("lost again")


async def test_a_stream_that_goes_on_may_lose_any_worker_again(checkpoint):
    """Thirteen losses, one after each token: what it lost before it went on doesn't count."""
    model = model_config(checkpoint)
    backends = [ScriptedBackend(one_more_and_lost) for _ in range(2)]
    async with gateway(model, model, backends=backends, retry={"max_attempts": 2}) as (rig, _, _):
        assert (await soon(rig.stream(request(max_tokens=50)))).only.text == "One two three."


@pytest.mark.parametrize(
    ("method", "at_token", "asked"), [("stream", 0, 2), ("stream", 3, 2), ("stream", None, 16), ("generate", None, 2)]
)
async def test_a_request_that_ends_every_worker_is_given_up(checkpoint, method, at_token, asked):
    """Be it always at the same token, or a little later each time."""
    runs = []

    async def ends_its_worker(wanted):
        runs.append(wanted)
        for _ in range(1 if at_token is None else at_token - len(wanted.continuation)):
            yield TokenDelta((byte_id("a"),))
        raise UnavailableError("gone")

    model = model_config(checkpoint)
    backends = [ScriptedBackend(ends_its_worker) for _ in range(3)]
    async with gateway(model, model, model, backends=backends, retry={"max_attempts": 2}) as (rig, _, _):
        failed = await failure(getattr(rig, method)(request(max_tokens=50)))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
        assert "engine" not in failed.message
    assert len(runs) == asked


@pytest.mark.parametrize("method", ["generate", "stream"])
async def test_a_call_that_its_worker_had_counts_when_the_connection_breaks(checkpoint, held_at, method):
    _, backends = held_at(at_token=0)
    model = model_config(checkpoint)
    async with gateway(model, model, backends=backends, retry={"max_attempts": 1}) as (rig, _, wires):
        answer = asyncio.create_task(getattr(rig, method)(request(max_tokens=50)))

        async def runs():
            return sum(backend.running for backend in backends) == 1

        await until(runs)
        wires[runner(backends)].cut()
        assert (await failure(answer)).reason == "MODEL_UNAVAILABLE"


@pytest.mark.parametrize("method", ["generate", "stream"])
async def test_a_call_that_its_worker_never_saw_costs_nothing(checkpoint, method):
    """The gateway believes that the worker serves, and nothing answers there: no budget and no count is for that."""
    retry = {"max_attempts": 1, "budget_ratio": 0.0, "budget_min_per_s": 0.0}
    async with gateway(*[model_config(checkpoint)] * 2, fallback=True, retry=retry) as (rig, _, (wire, _)):
        router = rig.server.router
        first, _ = router.routes[0].upstreams
        router._watching[first].cancel()
        wire.cut()
        assert await soon(getattr(rig, method)(request()))
        assert first.serving
        assert not first.work


@pytest.mark.parametrize("method", ["generate", "stream"])
async def test_a_call_that_comes_while_the_only_worker_is_away_waits_for_it(checkpoint, method):
    async with gateway(model_config(checkpoint), retry={"resume_wait_s": 30.0}) as (rig, _, (wire,)):
        (route,) = rig.server.router.routes
        wire.cut()
        await until_serving(rig, 0)
        waits = asyncio.Event()
        news = route.news

        async def waiting(seconds):
            waits.set()
            await news(seconds)

        route.news = waiting
        answer = asyncio.create_task(getattr(rig, method)(request()))
        await soon(waits.wait())
        await wire.mend()
        assert await soon(answer)

        wire.cut()
        await until_serving(rig, 0)
        route.served_until -= 30.0
        failed = await failure(getattr(rig, method)(request()))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")


async def test_the_next_pool_answers_when_the_first_is_gone(checkpoint):
    model = model_config(checkpoint)
    async with gateway(model, model, fallback=True) as (rig, _, wires):

        async def pool():
            call = rig.stub.Generate(request())
            await soon(call)
            return dict(await call.trailing_metadata())["x-paddock-pool"]

        assert [await pool() for _ in range(4)] == ["0"] * 4
        wires[0].cut()
        await until_serving(rig, 1)
        assert [await pool() for _ in range(4)] == ["1"] * 4
        await wires[0].mend()
        await until_serving(rig, 2)
        assert await pool() == "0"


async def test_a_draining_worker_finishes_what_it_has_and_gets_nothing_new(checkpoint, held_at):
    script, backends = held_at()
    model = model_config(checkpoint)
    async with gateway(model, model, backends=backends) as (rig, workers, _):
        wanted = request(max_tokens=50)
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        await read_until(call, stream, "One ")
        first = runner(backends)
        workers[first].server._config.drain_s = 30.0
        stopping = asyncio.create_task(workers[first].server.stop())
        await until_serving(rig, 1)
        others = [asyncio.create_task(rig.stream(request(max_tokens=50))) for _ in range(4)]

        async def all_run():
            return sum(backend.running for backend in backends) == 5

        await until(all_run)
        assert backends[first].running == 1
        script.go_on.set()
        await read_out(call, stream)
        assert {(await soon(other)).only.text for other in others} == {script.answer}
        await soon(stopping)
    assert dict(await call.trailing_metadata())["x-paddock-attempts"] == "1"


@pytest.mark.parametrize("answer", ['So.<function=now>{"a":1}</function>', 'So.<function=now>{"a":1]x.Done.'])
async def test_tool_calls_survive_a_loss_at_any_token(checkpoint, answer):
    """Calls that count, and calls that turn out to be none."""
    now = chat_pb2.Tool(function=chat_pb2.FunctionTool(name="now"))
    wanted = request(max_tokens=60, chat=chat("When?", tools=[now]), seed=1)
    script = Held(answer, at_token=-1)
    model = model_config(checkpoint)
    breaking = Breaking(ScriptedBackend(script), 0, losses=0)
    async with gateway(model, model, backends=[breaking, ScriptedBackend(script)], fallback=True) as (rig, rigs, _):
        twin = await rigs[1].stream(wanted, metadata=ID)
        for at_token in range(len(answer)):
            breaking.at_token, breaking.losses = at_token, 1
            stream = await rig.stream(wanted, metadata=ID)
            assert not breaking.losses
            assert stream.outputs[0] == twin.outputs[0]
            assert (stream.started, stream.usage) == (twin.started, twin.usage)
