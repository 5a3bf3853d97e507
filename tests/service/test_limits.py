"""What comes in from outside: too much, nonsense, and connections that never say anything."""

from __future__ import annotations

import asyncio
import random

import grpc
import grpc.aio
import pytest

from paddock.v1 import generate_pb2
from tests.service.failure import failure, read
from tests.service.raw_http2 import RawConnection
from tests.service.rig import model_config, request, serving, simulator, soon

Code = grpc.StatusCode


async def test_a_request_that_is_too_large(checkpoint):
    async with serving(model_config(checkpoint), max_request_bytes=100_000) as rig:
        for method in (rig.generate, rig.stream):
            failed = await failure(method(request(prompt="x" * 110_000)))
            assert failed.code is Code.RESOURCE_EXHAUSTED
        ids = generate_pb2.TokenIds(ids=[7] * 90_000)
        assert (await failure(rig.generate(request(token_ids=ids)))).reason == "CONTEXT_LENGTH_EXCEEDED"
        assert (await rig.generate(request())).outputs[0].text


async def test_a_large_prompt_holds_nobody_up(rig):
    """Tokenizing megabytes goes on beside the others' streams."""
    large = asyncio.ensure_future(failure(rig.generate(request(prompt="the horse stands " * 60_000))))
    others = 0
    while not large.done():
        await rig.stream(request(max_tokens=4))
        others += 1

    assert (await large).reason == "CONTEXT_LENGTH_EXCEEDED"
    assert others >= 3


NOISE = [
    b"",
    b"\x00",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    random.Random(1).randbytes(5_000),
]


async def test_nonsense_on_the_port(rig):
    host, _, port = rig.server.address.rpartition(":")
    for noise in NOISE:
        _, writer = await soon(asyncio.open_connection(host, int(port)))
        writer.write(noise)
        await writer.drain()
        assert (await rig.generate(request())).outputs[0].text
        writer.close()
    assert (await rig.generate(request())).outputs[0].text


async def test_connections_that_say_nothing(rig):
    host, _, port = rig.server.address.rpartition(":")
    silent = [await soon(asyncio.open_connection(host, int(port))) for _ in range(100)]
    other = rig.client()

    assert (await other.generate(request())).outputs[0].text

    for _, writer in silent:
        writer.close()


METHODS = ["Generate", "GenerateStream", "Tokenize", "Detokenize", "Classify", "ListModels", "GetModel"]


@pytest.mark.parametrize("method", METHODS)
async def test_random_bytes_as_requests(rig, caplog, method):
    """Any status will do but UNKNOWN, which is what an exception becomes that nobody expected."""
    chance = random.Random(method)
    make = rig.channel.unary_stream if method == "GenerateStream" else rig.channel.unary_unary
    call = make(f"/paddock.v1.InferenceService/{method}")

    async def send(body: bytes) -> None:
        sent = call(body, timeout=10)
        try:
            await (_read_out(sent) if method == "GenerateStream" else sent)
        except grpc.aio.AioRpcError as error:
            failed = read(error)
            assert failed.code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.INTERNAL)
            assert failed.request_id

    await soon(asyncio.gather(*(send(body) for body in _bodies(chance))))
    assert (await rig.generate(request())).outputs[0].text
    assert "Traceback" not in caplog.text


def _bodies(chance: random.Random):
    """Make noise, and valid requests with a few bytes changed."""
    valid = request("the horse", max_tokens=3, seed=1, strings=["x"], logprobs=1).SerializeToString()
    for _ in range(40):
        yield chance.randbytes(chance.randrange(60))
        spoiled = bytearray(valid)
        for _ in range(chance.randrange(1, 4)):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        yield bytes(spoiled)


async def _read_out(call) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def initial(call) -> str:
    """Give the request id that came first."""
    return dict(await soon(call.initial_metadata()))["x-request-id"]


@pytest.mark.parametrize("given", ["mine", "0", "~!#$%&()*+,-./:;<=>?@[]^_`{|}", "x" * 128])
async def test_the_request_id_is_echoed(rig, given):
    call = rig.stub.GenerateStream(request(), metadata=(("x-request-id", given),))
    assert await initial(call) == given
    assert (await soon(call.read())).events[0].started.request_id == given
    call.cancel()

    unary = rig.stub.Generate(request(), metadata=(("x-request-id", given),))
    assert await initial(unary) == given
    assert (await soon(unary)).started.request_id == given

    failed = await failure(rig.generate(request(n=99), metadata=(("x-request-id", given),)))
    assert failed.request_id == given


@pytest.mark.parametrize("given", ["", " ", "x" * 129, "x" * 5_000])
async def test_a_malformed_request_id_is_replaced(rig, given):
    call = rig.stub.Generate(request(), metadata=(("x-request-id", given),))

    replaced = await initial(call)

    assert replaced != given
    assert 1 <= len(replaced) <= 128
    assert (await soon(call)).started.request_id == replaced


async def test_a_missing_request_id_is_made_up(rig):
    first, second = [await initial(rig.stub.Generate(request())) for _ in range(2)]

    assert first
    assert first != second


async def test_bytes_in_place_of_a_request_id(rig):
    """A key that ends in -bin carries bytes; one that does not can't, so this is another key."""
    assert await initial(rig.stub.Generate(request(), metadata=(("x-request-id-bin", b"\x00\xff"),)))


async def test_a_client_that_is_gone_without_a_word(checkpoint):
    """A machine that lost its power breaks no connection: only a ping that nobody answers tells."""
    endless = simulator(time_per_token_s=0.05, context_length=100_000)
    patient = {"keepalive_s": 0.3, "keepalive_timeout_s": 1.0, "stall_s": 600.0}
    async with serving(model_config(checkpoint, endless), **patient) as rig:
        gone = await RawConnection.open(rig.address, read=False)
        await gone.call("GenerateStream", body=request(max_tokens=90_000).SerializeToString())
        await rig.until_load(1)

        await asyncio.wait_for(rig.until_idle(), 30)  # gRPC by itself gives up after a minute
        await gone.close()


async def test_a_connection_of_some_age_is_replaced_and_its_streams_go_on(checkpoint):
    paced = simulator(time_per_token_s=0.05)
    async with serving(model_config(checkpoint, paced), max_connection_age_s=0.4) as rig:
        stream = asyncio.ensure_future(rig.stream(request(max_tokens=30)))
        await rig.until_load(1)
        assert rig.channel.get_state() is grpc.ChannelConnectivity.READY

        await soon(rig.channel.wait_for_state_change(grpc.ChannelConnectivity.READY))

        assert not stream.done()
        assert len((await stream).only.ids) == 30
        assert (await rig.generate(request(max_tokens=1))).outputs[0].tokens
