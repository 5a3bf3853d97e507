"""Who gives up frees what was held: clients that cancel, deadlines that come, readers that stop reading."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from backends.simulator.config import Fault
from backends.types import TokenDelta
from tests.service.backend import ScriptedBackend
from tests.service.failure import failure, read
from tests.service.rig import model_config, request, serving, simulator, soon, until

Code = grpc.StatusCode


@pytest.fixture
def slow(checkpoint):
    """Serve answers of 400 tokens that take 20 s, two at a time."""

    @asynccontextmanager
    async def serve(max_queue=8, **server):
        backend = simulator(time_per_token_s=0.05, max_concurrency=2)
        async with serving(model_config(checkpoint, backend, max_queue=max_queue), **server) as rig:
            yield rig

    return serve


def long_request(**fields):
    return request(max_tokens=400, **fields)


async def first_token(call) -> None:
    """Read until an answer is under way."""

    async def reading() -> None:
        while True:
            message = await call.read()
            assert message is not grpc.aio.EOF
            if any(event.HasField("token_delta") for event in message.events):
                return

    await soon(reading())


async def test_cancelling_a_stream_frees_its_slot(slow):
    async with slow() as rig:
        call = rig.stub.GenerateStream(long_request())
        await first_token(call)
        await rig.until_load(1)

        call.cancel()

        await rig.until_idle()


async def test_cancelling_a_unary_call_frees_its_slot(slow):
    async with slow() as rig:
        call = asyncio.ensure_future(rig.stub.Generate(long_request()))
        await rig.until_load(1)

        call.cancel()

        await rig.until_idle()


async def test_closing_the_connection_frees_every_slot(slow):
    async with slow() as rig:
        other = rig.client()
        calls = [other.stub.GenerateStream(long_request(n=2)) for _ in range(2)]
        await rig.until_load(2, 2)

        await other.channel.close()

        await rig.until_idle()
        assert all(call.done() for call in calls)


async def test_cancelling_while_queued_frees_the_place(slow):
    async with slow() as rig:
        running = [rig.stub.GenerateStream(long_request()) for _ in range(2)]
        for call in running:
            await first_token(call)
        queued = [rig.stub.GenerateStream(long_request()), asyncio.ensure_future(rig.stub.Generate(long_request()))]
        await rig.until_load(2, 2)

        for call in queued:
            call.cancel()

        await rig.until_load(2, 0)
        assert rig.admitted == 2
        for call in running:
            call.cancel()
        await rig.until_idle()


async def test_cancelling_before_anything_was_sent_back(slow):
    async with slow() as rig:
        for _ in range(50):
            call = rig.stub.GenerateStream(long_request())
            await asyncio.sleep(0)
            call.cancel()

        await rig.until_idle()


async def test_cancelling_one_leaves_the_others(slow):
    async with slow() as rig:
        alone = await rig.stream(request(max_tokens=8))
        other = rig.stub.GenerateStream(long_request())
        await first_token(other)
        waiting = asyncio.ensure_future(rig.stream(request(max_tokens=8)))
        other.cancel()

        assert (await waiting).only.ids == alone.only.ids
        await rig.until_idle()


@pytest.mark.parametrize("method", ["generate", "stream"])
async def test_the_time_limit_gives_the_partial_text_before_the_deadline(slow, early_limit, method):
    async with slow() as rig:
        answer = await getattr(rig, method)(long_request(), timeout=10.0)

        output = answer.outputs[0]
        assert output.finished.reason == 4, "TIME_LIMIT"
        assert output.text
        assert 0 < len(output.tokens) < 400
        assert output.finished.completion_tokens == len(output.tokens) == answer.usage.completion_tokens
        await rig.until_idle()


async def test_the_time_limit_ends_all_outputs(slow, early_limit):
    async with slow() as rig:
        stream = await rig.stream(long_request(n=3), timeout=5.0)

        assert [output.reason for output in stream.outputs] == ["TIME_LIMIT"] * 3
        assert not stream.outputs[2].tokens, "it was still waiting"
        await rig.until_idle()


async def test_partial_text_is_the_beginning_of_the_whole_text(slow, early_limit, rig):
    whole = await rig.stream(long_request(strings=["never comes"]))
    async with slow() as paced:
        part = await paced.stream(long_request(strings=["never comes"]), timeout=10.0)

        ids = part.only.ids
        assert ids == whole.only.ids[: len(ids)]
        raw = b"".join(token.piece for token in part.only.tokens)
        assert part.only.text == raw.decode(errors="replace")


async def test_a_deadline_that_comes_while_queued(slow, early_limit):
    async with slow() as rig:
        running = [rig.stub.GenerateStream(long_request()) for _ in range(2)]
        for call in running:
            await first_token(call)

        for method in (rig.generate, rig.stream):
            failed = await failure(method(long_request(), timeout=5.0))
            assert failed.code is Code.DEADLINE_EXCEEDED
            assert failed.reason == "DEADLINE_TOO_SHORT"
        await rig.until_load(2, 0)
        for call in running:
            call.cancel()
        await rig.until_idle()


async def test_a_deadline_that_comes_before_the_first_token(checkpoint, early_limit):
    backend = simulator(time_to_first_token_s=30)
    async with serving(model_config(checkpoint, backend)) as rig:
        failed = await failure(rig.stream(request(), timeout=5.0))

        assert failed.code is Code.DEADLINE_EXCEEDED
        assert failed.reason == "DEADLINE_TOO_SHORT"
        await rig.until_idle()


async def test_a_deadline_does_not_wait_for_the_step_in_progress(checkpoint, early_limit):
    """The call is answered in time; its place is free when the backend has let go."""
    may_end = asyncio.Event()

    async def script(wanted):
        try:
            await asyncio.sleep(60)
            yield TokenDelta((0,))
        finally:
            await may_end.wait()

    backend = ScriptedBackend(script)
    async with serving(model_config(checkpoint), backend=backend) as rig:
        failed = await failure(rig.stream(request(), timeout=5.0))
        assert failed.reason == "DEADLINE_TOO_SHORT", "not the client's own"
        assert backend.running == 1
        may_end.set()
        await rig.until_idle()


@pytest.mark.parametrize("timeout", [0, 0.000001])
async def test_a_deadline_that_is_hopeless(slow, timeout):
    async with slow() as rig:
        failed = await failure(rig.generate(long_request(), timeout=timeout))

        assert failed.code is Code.DEADLINE_EXCEEDED
        await rig.until_idle()


async def test_a_backend_that_hangs_is_ended_by_the_deadline(checkpoint, early_limit):
    backend = simulator(fault=Fault.HANG_AT_TOKEN, fault_at_token=5)
    async with serving(model_config(checkpoint, backend)) as rig:
        stream = await rig.stream(request(), timeout=5.0)

        assert stream.only.reason == "TIME_LIMIT"
        assert len(stream.only.ids) == 5
        await rig.until_idle()


def bulky():
    """Ask for some 200 KB a second and 60 MB in all: no buffer on the way holds it."""
    return request(max_tokens=500, logprobs=20, n=16, temperature=1.0, seed=1)


NARROW = {"http2.bdp_probe": 0, "http2.lookahead_bytes": 16_384, "http2.max_frame_size": 16_384}


async def test_a_reader_that_stops_reading_is_ended_and_the_others_go_on(rig):
    alone = await rig.stream(request(max_tokens=300))
    sleeper = rig.client(**NARROW)
    call = sleeper.stub.GenerateStream(bulky())
    await soon(call.read())
    await rig.until_load(16)

    others = [await rig.stream(request(max_tokens=300)) for _ in range(3)]

    assert all(other.only.ids == alone.only.ids for other in others)
    await soon(rig.server._edge.idle())  # its answer was computed long before the server gave up waiting for it
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await soon(_read_out(call))
    failed = read(caught.value)
    assert failed.code is Code.CANCELLED
    assert failed.reason == "READER_STALLED"


async def test_a_reader_that_never_comes_back_does_not_hold_up_the_stop(checkpoint):
    """Its status waits in the transport behind what it does not read, until the connection is closed."""
    async with serving(model_config(checkpoint), stall_s=0.3, drain_s=15.0) as rig:
        sleeper = rig.client(**NARROW)
        calls = [sleeper.stub.GenerateStream(bulky()) for _ in range(3)]
        for call in calls:
            await soon(call.read())
        await rig.until_idle()
        started = time.monotonic()

        await soon(rig.server.stop())

        assert time.monotonic() - started < 5


async def test_a_slow_reader_gets_everything(rig):
    """Slower than the model, faster than `stall_s` a message."""
    wanted = bulky()
    wanted.max_tokens = 200
    whole = await rig.stream(wanted)
    slow_reader = rig.client(**NARROW)
    call = slow_reader.stub.GenerateStream(wanted)
    ids = [[] for _ in range(16)]

    async def reading() -> None:
        async for message in call:
            await asyncio.sleep(0.005)
            for event in message.events:
                ids[event.output_index] += [token.id for token in event.token_delta.tokens]

    await soon(reading())
    assert ids == [output.ids for output in whole.outputs]


async def _read_out(call) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_step_that_takes_long_does_not_cost_the_partial_answer(checkpoint, early_limit):
    let_go = asyncio.Event()

    async def script(wanted):
        try:
            yield TokenDelta(wanted.prompt[:1])
            await asyncio.Event().wait()
        finally:
            await let_go.wait()

    backend = ScriptedBackend(script)
    async with serving(model_config(checkpoint), backend=backend) as rig:
        answer = await rig.generate(request(), timeout=5.0)
        assert answer.outputs[0].finished.reason == 4, "TIME_LIMIT"
        assert answer.outputs[0].tokens
        stream = await rig.stream(request(), timeout=5.0)
        assert stream.only.reason == "TIME_LIMIT"
        assert rig.admitted == 2, "the places are taken until the backend lets go"
        let_go.set()
        await rig.until_idle()


async def test_stalled_readers_leave_room_for_others(checkpoint):
    backend = simulator(context_length=100_000)
    async with serving(model_config(checkpoint, backend), stall_s=0.2, max_concurrent_rpcs=2) as rig:
        stalled = [rig.client(**NARROW) for _ in range(2)]
        calls = [client.stub.GenerateStream(request(max_tokens=90_000)) for client in stalled]
        for call in calls:
            await first_token(call)

        async def answers():
            with contextlib.suppress(grpc.aio.AioRpcError):
                return bool(await rig.generate(request(max_tokens=2)))

        await until(answers)
        for call in calls:
            call.cancel()
