"""Workers that keep to no protocol: the gateway lives on, and a client reads a status or another worker's answer."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2

from paddock.v1 import generate_pb2, inference_pb2, model_pb2
from tests.service.failure import HEADER_LIMIT, failure, read
from tests.service.gateway import pool, routed, routing, until_serving
from tests.service.rig import MODEL, model_config, request, serving, soon, until

Code = grpc.StatusCode
_HEALTH = "/grpc.health.v1.Health/Watch"
_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()
STARTED = generate_pb2.GenerateStreamResponse(
    events=[{"started": {"model": MODEL, "prompt_tokens": 1, "parameters": {"n": 1, "max_tokens": 8}}}]
).SerializeToString()
COMPLETED = generate_pb2.GenerateStreamResponse(events=[{"completed": {}}]).SerializeToString()
GARBAGE = b"\xff" * 100


class HostileWorker(grpc.GenericRpcHandler):
    """Answers any method with the bytes that a test wants.

    Attributes:
        messages: of a stream's answer, one after the other.
        health: messages about its health, after which it says no more.
        reply: to a call with one answer.
        code: of the status at the end.
        trailing: metadata that goes with it.
    """

    def __init__(self) -> None:
        self.messages = [STARTED, COMPLETED]
        self.health = [_SERVING]
        self.reply = GARBAGE
        self.code = Code.OK
        self.details = ""
        self.trailing: tuple[tuple[str, str | bytes], ...] = ()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if handler_call_details.method == _HEALTH:
            return grpc.unary_stream_rpc_method_handler(self._watch)
        if handler_call_details.method.endswith("Stream"):
            return grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _watch(self, _: bytes, context) -> None:
        for said in self.health:
            await context.write(said)
        await asyncio.Event().wait()

    async def _stream(self, _: bytes, context) -> None:
        for written in self.messages:
            await context.write(written)
        self._end(context)

    async def _answer(self, _: bytes, context) -> bytes:
        self._end(context)
        return self.reply

    def _end(self, context) -> None:
        context.set_trailing_metadata(self.trailing)
        context.set_code(self.code)
        context.set_details(self.details)


@asynccontextmanager
async def before(checkpoint, worker: HostileWorker, **server):
    """Serve a gateway whose first pool is a hostile worker. With a checkpoint there is a spare pool."""
    async with AsyncExitStack() as stack:
        hostile = grpc.aio.server(options=[("grpc.max_metadata_size", 2**20), ("grpc.so_reuseport", 0)])
        hostile.add_generic_rpc_handlers((worker,))
        port = hostile.add_insecure_port("127.0.0.1:0")
        await hostile.start()
        stack.push_async_callback(hostile.stop, None)
        pools = [pool(f"127.0.0.1:{port}")]
        if checkpoint is not None:
            honest = await stack.enter_async_context(serving(model_config(checkpoint)))
            pools.append(pool(honest.address, name="spare"))
        rig = await stack.enter_async_context(serving(routing=routing(routed(*pools)), **server))
        await until_serving(rig, len(pools))
        yield rig


@pytest.mark.parametrize(
    "messages",
    [[GARBAGE], [COMPLETED], [b"", b""], [b"\x0a\x00"], [random.Random(1).randbytes(5000)]],
    ids=["garbage", "no beginning", "nothing", "an empty event", "noise"],
)
async def test_a_stream_that_does_not_begin_as_one_is_answered_by_another_worker(checkpoint, messages, caplog):
    worker = HostileWorker()
    worker.messages = messages
    if not any(messages):
        worker.code = Code.INTERNAL
    async with before(checkpoint, worker) as rig:
        assert (await rig.stream(request())).outputs[0].text
    assert "Traceback" not in caplog.text


async def test_a_stream_that_turns_into_garbage_ends_with_a_status(caplog):
    """What the client has can't be resumed from: nobody can tell what it was."""
    worker = HostileWorker()
    for worker.messages in ([STARTED, GARBAGE], [STARTED] + [GARBAGE] * 5000):
        worker.code = Code.UNAVAILABLE
        async with before(None, worker, stall_s=5.0) as rig:
            call = rig.channel.unary_stream("/paddock.v1.InferenceService/GenerateStream")
            failed = await failure(_all(call(request().SerializeToString())))
            assert failed.code is Code.UNAVAILABLE
            assert failed.reason == "MODEL_UNAVAILABLE"
    assert "Traceback" not in caplog.text


async def test_a_stream_whose_last_message_is_garbage_ends_as_its_worker_says(caplog):
    worker = HostileWorker()
    worker.messages = [STARTED, GARBAGE]
    async with before(None, worker) as rig:
        call = rig.channel.unary_stream("/paddock.v1.InferenceService/GenerateStream")(request().SerializeToString())
        assert await soon(_all(call)) in (1, 2)
        assert await soon(call.code()) is Code.OK
    assert "Traceback" not in caplog.text


async def test_an_answer_that_is_garbage_is_relayed_and_disturbs_nobody(caplog):
    worker = HostileWorker()
    worker.reply = GARBAGE
    async with before(None, worker) as rig:
        for method in ("Generate", "Classify"):
            call = rig.channel.unary_unary(f"/paddock.v1.InferenceService/{method}")
            assert await soon(call(request().SerializeToString())) == GARBAGE
    assert "Traceback" not in caplog.text


async def _all(call) -> int:
    count = 0
    while await call.read() is not grpc.aio.EOF:
        count += 1
    return count


async def test_messages_of_nothing_are_left_out():
    """They would end the relay, or wait for the client in any number, as they take no room by themselves."""
    worker = HostileWorker()
    worker.messages = [STARTED, *[b""] * 3000, COMPLETED]
    async with before(None, worker) as rig:
        call = rig.channel.unary_stream("/paddock.v1.InferenceService/GenerateStream")
        assert await soon(_all(call(request().SerializeToString()))) in (1, 2)


TRAILERS = {
    "many": tuple((f"x-{number}", "y" * 100) for number in range(60)),
    "large": (("x-large", "y" * 15_000),),
    "more than gRPC takes": (("x-large", "y" * 100_000),),
    "gRPC's own": (("grpc-status-details-bin", b"\xff" * 200), ("grpc-previous-rpc-attempts", "9")),
}


@pytest.mark.parametrize("trailing", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("code", [Code.OK, Code.INVALID_ARGUMENT])
async def test_trailers_end_in_a_status(trailing, code, caplog):
    worker = HostileWorker()
    worker.trailing, worker.code, worker.details = trailing, code, "a\nb\x00" + "c" * 5000
    worker.reply = generate_pb2.GenerateResponse().SerializeToString()
    worker.messages = [STARTED, COMPLETED] if code is Code.OK else [STARTED]
    async with before(None, worker) as rig:
        for call in (_all(rig.stub.GenerateStream(request())), rig.stub.Generate(request())):
            try:
                await soon(call)
                assert code is Code.OK
            except grpc.aio.AioRpcError as error:
                failed = read(error)
                assert failed.code in (Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED)
                assert failed.code is code or "x-" not in failed.message  # which gRPC has of the trailers
                assert failed.size < HEADER_LIMIT
    assert "Traceback" not in caplog.text


async def test_a_model_that_can_not_be_read_is_not_there_yet():
    async with before(None, HostileWorker()) as rig:
        listed = await soon(rig.stub.ListModels(model_pb2.ListModelsRequest()))
        assert [(model.name, model.state) for model in listed.models] == [(MODEL, model_pb2.MODEL_STATE_LOADING)]
        assert (await rig.model(MODEL)).state == model_pb2.MODEL_STATE_LOADING


async def test_health_that_can_not_be_read_is_no_end_of_listening(checkpoint):
    worker = HostileWorker()
    unknown = health_pb2.HealthCheckResponse(status=99).SerializeToString()  # type: ignore[arg-type]
    worker.health = [GARBAGE, unknown, *[_SERVING, unknown] * 20, _SERVING]
    async with before(checkpoint, worker) as rig:
        await until_serving(rig, 2)


async def test_a_port_that_speaks_no_http2(checkpoint, caplog):
    """Noise, silence and closed doors: what the spare pool serves is served."""
    noise = [b"", random.Random(2).randbytes(4000), b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\x00\x04\x08" + b"\xff" * 400]
    met: list[bytes] = []

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = noise[len(met) % len(noise)]
        met.append(said)
        writer.write(said)
        await writer.drain()
        writer.close()

    door = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        address = f"127.0.0.1:{door.sockets[0].getsockname()[1]}"
        async with serving(model_config(checkpoint)) as honest:
            pools = [pool(address), pool(honest.address, name="spare")]
            async with serving(routing=routing(routed(*pools))) as rig:
                await until_serving(rig, 1)

                async def enough() -> bool:
                    assert (await rig.generate(request(max_tokens=2))).outputs
                    return len(met) >= len(noise)

                await until(enough)
    finally:
        door.close()
    assert "Traceback" not in caplog.text


def test_all_methods_are_met_by_the_hostile_worker():
    """Its handlers go by the names of methods."""
    methods = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].methods
    assert [method.name for method in methods if method.server_streaming] == ["GenerateStream"]
