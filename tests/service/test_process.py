"""`paddock serve` from its first line to its exit code."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2

from paddock.v1 import model_pb2
from tests.process import paddock, simulator
from tests.service.failure import failure
from tests.service.rig import Client, request, soon
from tests.service.test_cancellation import first_token

Code = grpc.StatusCode
MODEL = "simulator"


def long_request(tokens: int = 30):
    return request(model=MODEL, max_tokens=tokens)


async def text_of(call) -> tuple[str, bool]:
    """Read a stream to its end: its text, and whether it was completed."""
    text, completed = "", False
    while (message := await soon(call.read())) is not grpc.aio.EOF:
        for event in message.events:
            text += event.token_delta.text
            completed |= event.HasField("completed")
    return text, completed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_under_load(checkpoint, number):
    """Streams in flight finish, new calls are refused, health is NOT_SERVING, and the exit code is 0."""
    async with paddock(*simulator(checkpoint, time_per_token_s=0.04)) as process:
        client = Client(await process.ready())
        watch = client.health.Watch(health_pb2.HealthCheckRequest())
        assert (await soon(watch.read())).status == health_pb2.HealthCheckResponse.SERVING
        calls = [client.stub.GenerateStream(long_request(40)) for _ in range(8)]
        for call in calls:
            await first_token(call)

        process.signal(number)

        assert (await soon(watch.read())).status == health_pb2.HealthCheckResponse.NOT_SERVING
        failed = await failure(client.generate(long_request()))
        assert failed.code is Code.UNAVAILABLE
        assert failed.reason == "SERVER_DRAINING"
        ends = await asyncio.gather(*(text_of(call) for call in calls))
        assert all(completed for _, completed in ends)
        assert len({text for text, _ in ends}) == 1
        assert await process.end() == 0
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.generate(long_request(), timeout=5)
        assert caught.value.code() is Code.UNAVAILABLE
        await client.channel.close()
    assert "Traceback" not in process.stderr, process.stderr
    assert "Task " not in process.stderr


async def test_draining_is_bounded(checkpoint):
    async with paddock(*simulator(checkpoint, time_per_token_s=0.1), "server.drain_s=1") as process:
        client = Client(await process.ready())
        call = client.stub.GenerateStream(long_request(400))
        await first_token(call)
        started = time.monotonic()

        process.signal()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await text_of(call)
        assert caught.value.code() is Code.UNAVAILABLE
        assert await process.end() == 0
        assert 0.9 < time.monotonic() - started < 6
        await client.channel.close()
    assert "Traceback" not in process.stderr, process.stderr


async def test_a_second_signal_ends_it_at_once(checkpoint):
    async with paddock(*simulator(checkpoint, time_per_token_s=0.1)) as process:
        client = Client(await process.ready())
        call = client.stub.GenerateStream(long_request(400))
        await first_token(call)
        process.signal()
        await process.wrote("a second signal ends at once")
        started = time.monotonic()

        process.signal()

        assert await process.end() == 128 + signal.SIGTERM
        assert time.monotonic() - started < 2
        with pytest.raises(grpc.aio.AioRpcError):
            await text_of(call)
        await client.channel.close()


async def test_a_backend_that_dies_ends_the_process(checkpoint):
    """Its streams are UNAVAILABLE, and the exit code tells a supervisor to start another."""
    async with paddock(*simulator(checkpoint, fault="DIE_AT_TOKEN", fault_at_token=4)) as process:
        client = Client(await process.ready())

        failed = await failure(client.generate(long_request()))

        assert failed.code is Code.UNAVAILABLE
        assert await process.end() == 1
        assert "the backend of model simulator died" in process.stderr
        await client.channel.close()
    assert "Traceback" not in process.stderr, process.stderr


async def test_a_signal_while_loading(checkpoint):
    async with paddock(*simulator(checkpoint, load_time_s=60)) as process:
        client = Client(await process.address())
        assert await client.serving() == "NOT_SERVING"
        failed = await failure(client.generate(long_request()))
        assert failed.reason == "MODEL_UNAVAILABLE"
        started = time.monotonic()

        process.signal()

        assert await process.end() == 0
        assert time.monotonic() - started < 5
        await client.channel.close()
    assert "Traceback" not in process.stderr, process.stderr
    assert "Paddock serves" not in process.stdout


async def test_loading_shows_progress_and_then_how_to_call(checkpoint):
    async with paddock(*simulator(checkpoint, load_time_s=0.5)) as process:
        address = await process.ready()

        assert "simulator" in process.stderr
        assert "0.5 s left" in process.stderr
        assert address in process.stdout
        assert "paddock.v1.InferenceService/GenerateStream" in process.stdout
        client = Client(address)
        assert (await client.model(MODEL)).state == model_pb2.MODEL_STATE_READY
        await client.channel.close()


REFUSED = {
    "server.adress=127.0.0.1:0": "server.adress|adress",
    "server.drain_s=-1": "server.drain_s",
    "server.address=0.0.0.0:0": "server.insecure",
    "models.simulator.checkpoint=/absent/folder": "models.simulator.checkpoint",
    "models.simulator.backend.fault=FAIL_AT_LOAD": "models.simulator.backend: .*fail at load",
}
"""The same, and many more, within one process: tests/unit/services/test_config.py and test_model.py."""


async def refused(checkpoint, override: str) -> None:
    """Serve with a mistake, and check how it ends."""
    async with paddock(*simulator(checkpoint), override) as process:
        code = await process.end()
    said = [line for line in process.stderr.splitlines() if " INFO " not in line]
    assert code == 2, process.stderr
    assert len(said) == 1, process.stderr
    assert said[0].startswith("paddock: ")
    assert re.search(REFUSED[override], said[0])
    assert not process.stdout


async def test_a_mistake_ends_with_one_sentence(checkpoint):
    await asyncio.gather(*(refused(checkpoint, override) for override in REFUSED))


async def test_an_occupied_port(checkpoint):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with paddock(*simulator(checkpoint), f"server.address={address}") as process:
            assert await process.end() == 2

    assert "server.address" in process.stderr
    assert address in process.stderr
    assert len([line for line in process.stderr.splitlines() if " INFO " not in line]) == 1


async def test_an_open_address_is_served_when_asked_for(checkpoint):
    async with paddock(*simulator(checkpoint), "server.address=0.0.0.0:0", "server.insecure=true") as process:
        address = await process.ready()
        client = Client(f"127.0.0.1:{address.rpartition(':')[2]}")
        assert (await client.generate(long_request(3))).outputs[0].tokens
        await client.channel.close()
        process.signal()
        assert await process.end() == 0
