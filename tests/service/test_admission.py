"""What is past the bounds is refused with when to come back, and let in once there is room."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.service.failure import failure
from tests.service.rig import MODEL, model_config, request, serving, simulator
from tests.service.test_cancellation import first_token


def small(checkpoint, max_queue=3):
    """Two at once, three waiting; an answer of 400 tokens takes 20 s."""
    backend = simulator(time_per_token_s=0.05, max_concurrency=2)
    return serving(model_config(checkpoint, backend, max_queue=max_queue))


@pytest.mark.parametrize("method", ["generate", "stream"])
async def test_past_the_queue_is_refused_until_there_is_room(checkpoint, method):
    async with small(checkpoint) as rig:
        calls = [rig.stub.GenerateStream(request(max_tokens=400)) for _ in range(5)]
        await rig.until_load(2, 3)

        for _ in range(3):
            failed = await failure(getattr(rig, method)(request(max_tokens=1)))
            assert failed.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert failed.reason == "QUEUE_FULL"
            assert failed.told == {"model": MODEL}
            assert failed.retry_s
        assert await rig.load() == (2, 3)

        calls[0].cancel()
        await rig.until_load(2, 2)
        waiting = asyncio.ensure_future(rig.stream(request(max_tokens=1)))
        await rig.until_load(2, 3)
        for call in calls:
            call.cancel()
        assert (await waiting).only.ids
        await rig.until_idle()


async def test_a_refused_stream_has_not_begun(checkpoint):
    """`started` says that the request was accepted, so it is not sent to one that is refused."""
    async with small(checkpoint) as rig:
        calls = [rig.stub.GenerateStream(request(max_tokens=400)) for _ in range(5)]
        await rig.until_load(2, 3)

        assert (await failure(rig.stub.GenerateStream(request()).read())).reason == "QUEUE_FULL"
        for call in calls:
            call.cancel()
        await rig.until_idle()


async def test_outputs_are_counted_not_requests(checkpoint):
    async with small(checkpoint) as rig:
        call = rig.stub.GenerateStream(request(max_tokens=400, n=4))
        await first_token(call)
        await rig.until_load(2, 2)

        assert (await failure(rig.generate(request(n=2)))).reason == "QUEUE_FULL"
        call.cancel()
        await rig.until_idle()


async def test_finished_outputs_of_a_continuation_take_no_room(checkpoint):
    async with small(checkpoint, max_queue=0) as rig:
        wanted = request(n=16, max_tokens=2)
        for index in range(14):
            wanted.continuations.add(output_index=index, token_ids=[1, 2], finished={"completion_tokens": 2})

        assert (await rig.stream(wanted)).usage.completion_tokens == 32


async def test_more_outputs_than_there_will_ever_be_room_for_are_not_told_to_come_back(checkpoint):
    async with small(checkpoint, max_queue=0) as rig:
        failed = await failure(rig.generate(request(n=3)))

        assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
        assert list(failed.violations) == ["n"]


async def test_refusing_is_quick_under_a_flood(checkpoint):
    async with small(checkpoint) as rig:
        calls = [rig.stub.GenerateStream(request(max_tokens=400)) for _ in range(5)]
        await rig.until_load(2, 3)

        failures = await asyncio.gather(*(failure(rig.generate(request())) for _ in range(200)))

        assert {failed.reason for failed in failures} == {"QUEUE_FULL"}
        for call in calls:
            call.cancel()
        await rig.until_idle()


async def test_past_the_calls_of_a_server(checkpoint):
    backend = simulator(time_per_token_s=0.05)
    async with serving(model_config(checkpoint, backend), max_concurrent_rpcs=2) as rig:
        calls = [rig.stub.GenerateStream(request(max_tokens=400)) for _ in range(2)]
        for call in calls:
            await first_token(call)

        failed = await failure(rig.generate(request()))
        assert failed.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert failed.reason == "SERVER_OVERLOADED"
        assert failed.retry_s
        for call in calls:
            call.cancel()
