"""From bound to stopped, within one process: health, UNAVAILABLE before and after, and what goes on meanwhile."""

from __future__ import annotations

import asyncio
import importlib.metadata
import socket
import time

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from backends.errors import LoadError
from backends.simulator.config import Fault
from backends.types import TokenDelta
from paddock.v1 import model_pb2
from services.config import PaddockConfig
from services.errors import ConfigError
from services.server import Server
from tests.service.backend import ScriptedBackend, byte_id
from tests.service.failure import failure
from tests.service.rig import MODEL, Client, model_config, request, serving, simulator, soon, until
from tests.service.test_cancellation import first_token

Code = grpc.StatusCode
SERVICE = "paddock.v1.InferenceService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_while_loading_calls_are_told_to_come_back(checkpoint):
    backend = ScriptedBackend()
    backend.may_load.clear()
    async with serving(model_config(checkpoint), backend=backend, load=False) as rig:
        loading = asyncio.ensure_future(rig.server.load())
        for method in (rig.generate, rig.stream):
            failed = await failure(method(request()))
            assert failed.code is Code.UNAVAILABLE
            assert failed.reason == "MODEL_UNAVAILABLE"
            assert failed.told == {"model": MODEL}
            assert failed.retry_s
        for service in ("", SERVICE, MODEL):
            assert await rig.serving(service) == "NOT_SERVING"
        described = await rig.model()
        assert described.state == model_pb2.MODEL_STATE_LOADING
        assert described.name == MODEL
        assert described.backend.name == "simulator"
        assert described.context_length == 0

        backend.may_load.set()
        await soon(loading)

        for service in ("", SERVICE, MODEL):
            assert await rig.serving(service) == "SERVING"
        assert (await rig.generate(request())).outputs[0].text == "ok"
        assert (await rig.model()).state == model_pb2.MODEL_STATE_READY


async def test_watching_health_sees_the_whole_life(checkpoint):
    backend = ScriptedBackend()
    async with serving(model_config(checkpoint), backend=backend, load=False) as rig:
        watches = [rig.health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", SERVICE, MODEL)]
        for watch in watches:
            assert (await soon(watch.read())).status == NOT_SERVING
        await soon(rig.server.load())
        for watch in watches:
            assert (await soon(watch.read())).status == SERVING

        backend.ready = False

        for watch in watches:
            assert (await soon(watch.read())).status == NOT_SERVING
        backend.ready = True
        for watch in watches:
            assert (await soon(watch.read())).status == SERVING
        stopping = asyncio.ensure_future(rig.server.stop())
        for watch in watches:
            assert (await soon(watch.read())).status == NOT_SERVING
        await soon(stopping)


async def test_health_of_an_unknown_service_is_not_found(rig):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rig.serving("absent")
    assert caught.value.code() is Code.NOT_FOUND


@pytest.mark.parametrize("name", ["liveness", SERVICE])
def test_a_model_can_not_go_by_a_name_of_the_health_services(checkpoint, name):
    """Else it would be told to serve before it is loaded."""
    with pytest.raises(ConfigError, match=r"^models\.key\.name: .*; choose another$"):
        Server(PaddockConfig(models={"key": model_config(checkpoint, name=name)}))


async def test_each_model_has_a_health_of_its_own(checkpoint):
    dying = model_config(checkpoint, simulator(fault=Fault.DIE_AT_TOKEN, fault_at_token=3), name="dying")
    async with serving(dying, model_config(checkpoint, name="well")) as rig:
        assert (await failure(rig.generate(request(model="dying")))).reason == "MODEL_UNAVAILABLE"

        async def told() -> bool:
            return await rig.serving("dying") == "NOT_SERVING"

        await until(told)
        assert await rig.serving("well") == "SERVING"
        assert await rig.serving("") == "NOT_SERVING"
        assert (await rig.generate(request(model="well"))).outputs[0].text
        listed = (await rig.stub.ListModels(model_pb2.ListModelsRequest())).models
        assert [(m.name, m.state) for m in listed] == [
            ("dying", model_pb2.MODEL_STATE_FAILED),
            ("well", model_pb2.MODEL_STATE_READY),
        ]


async def test_a_backend_that_dies_ends_its_streams_and_is_told(checkpoint):
    dying = simulator(fault=Fault.DIE_AT_TOKEN, fault_at_token=20, time_per_token_s=0.01)
    async with serving(model_config(checkpoint, dying)) as rig:
        streams = [asyncio.ensure_future(failure(rig.stream(request()))) for _ in range(4)]
        for failed in await asyncio.gather(*streams):
            assert failed.code is Code.UNAVAILABLE
            assert failed.reason == "MODEL_UNAVAILABLE"
            assert failed.retry_s

        async def told() -> bool:
            return [await rig.serving(name) for name in ("", SERVICE, MODEL)] == ["NOT_SERVING"] * 3

        await until(told)
        failed = await failure(rig.generate(request()))
        assert failed.code is Code.UNAVAILABLE
        assert failed.told == {"model": MODEL}
        assert await rig.load() == (0, 0)
        assert rig.admitted == 0


async def test_reflection_lists_and_describes_the_services(rig):
    stub = reflection_pb2_grpc.ServerReflectionStub(rig.channel)
    wanted = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        reflection_pb2.ServerReflectionRequest(file_by_filename="paddock/v1/guard.proto"),
    ]

    answers = [answer async for answer in stub.ServerReflectionInfo(iter(wanted))]

    names = {service.name for service in answers[0].list_services_response.service}
    assert names == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    for answer in answers[1:]:
        assert answer.file_descriptor_response.file_descriptor_proto


async def test_reflection_can_be_turned_off(checkpoint):
    async with serving(model_config(checkpoint), reflection=False) as rig:
        stub = reflection_pb2_grpc.ServerReflectionStub(rig.channel)
        call = stub.ServerReflectionInfo()  # and writes nothing: gRPC has another word for a write that comes too late
        assert await soon(call.code()) is Code.UNIMPLEMENTED


async def test_stopping_lets_streams_finish_and_refuses_new_calls(checkpoint):
    backend = simulator(time_per_token_s=0.02)
    async with serving(model_config(checkpoint, backend), drain_s=15) as rig:
        calls = [rig.stub.GenerateStream(request(max_tokens=30)) for _ in range(5)]
        for call in calls:
            await first_token(call)

        stopping = asyncio.ensure_future(rig.server.stop())
        await until(lambda: _is_draining(rig))
        for method in (rig.generate, rig.stream):
            failed = await failure(method(request()))
            assert failed.code is Code.UNAVAILABLE
            assert failed.reason == "SERVER_DRAINING"
            assert failed.retry_s
        assert await rig.serving(SERVICE) == "NOT_SERVING"
        draining = await rig.model()
        assert (draining.state, draining.load.running) == (model_pb2.MODEL_STATE_DRAINING, 5)

        for call in calls:
            events = [event async for event in _events(call)]
            assert events[-1].HasField("completed")
        started = time.monotonic()
        await soon(stopping)
        assert time.monotonic() - started < 3, "it stops when the last stream ends, not when drain_s is over"


async def _is_draining(rig) -> bool:
    return rig.server._edge._draining


async def _events(call):
    while (message := await call.read()) is not grpc.aio.EOF:
        for event in message.events:
            yield event


async def test_draining_is_bounded(checkpoint):
    backend = simulator(time_per_token_s=0.05)
    async with serving(model_config(checkpoint, backend), drain_s=0.5) as rig:
        stream = asyncio.ensure_future(failure(rig.stream(request(max_tokens=400))))
        await rig.until_load(1)
        started = time.monotonic()

        await soon(rig.server.stop())

        assert 0.4 < time.monotonic() - started < 3
        failed = await stream
        assert failed.code is Code.UNAVAILABLE
        assert failed.reason in ("MODEL_UNAVAILABLE", "SERVER_DRAINING")


async def test_a_backend_that_does_not_close_holds_nobody_up(checkpoint):
    class Stuck(ScriptedBackend):
        async def close(self):
            await asyncio.Event().wait()

    async with serving(model_config(checkpoint), backend=Stuck(), close_s=0.3) as rig:
        await soon(rig.server.stop())


async def test_a_backend_that_fails_to_close_does_not_keep_the_others_open(checkpoint):
    class Bad(ScriptedBackend):
        async def close(self):
            raise RuntimeError("can't close")

    bad = Bad()
    async with serving(model_config(checkpoint, name="a"), model_config(checkpoint, name="b"), backend=bad) as rig:
        await soon(rig.server.stop())
        assert not rig.server.models.all[1].backend.health().ready
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rig.generate(request(model="b"), timeout=5)
        assert caught.value.code() is Code.UNAVAILABLE


@pytest.mark.parametrize("error", [LoadError("no such weights; fetch them"), RuntimeError("bug")])
async def test_a_failed_load_is_told_and_closed(checkpoint, error):
    backend = ScriptedBackend()
    backend.load_error = error
    async with serving(model_config(checkpoint), backend=backend, load=False) as rig:
        with pytest.raises(type(error)):
            await soon(rig.server.load())
        assert (await rig.model()).state == model_pb2.MODEL_STATE_FAILED
        assert (await failure(rig.generate(request()))).reason == "MODEL_UNAVAILABLE"
        assert await rig.serving("") == "NOT_SERVING"
    assert backend.closed


async def test_a_tokenizer_that_knows_more_ids_than_the_backend_is_refused(checkpoint):
    backend = simulator(vocab_size=500, last_token_id=400)
    async with serving(model_config(checkpoint, backend), load=False) as rig:
        with pytest.raises(ConfigError, match=r"models\.sim\.checkpoint: its tokenizer"):
            await soon(rig.server.load())


async def test_the_server_tells_its_version(rig):
    listed = await soon(rig.stub.ListModels(model_pb2.ListModelsRequest()))
    assert listed.server_version == importlib.metadata.version("paddock")


async def test_stopping_twice_and_without_a_start(checkpoint):
    async with serving(model_config(checkpoint)) as rig:
        await soon(rig.server.stop())
        await soon(rig.server.stop())
    await soon(Server(PaddockConfig(models={MODEL: model_config(checkpoint)})).stop())


async def test_an_occupied_port_is_refused(checkpoint):
    async with serving(model_config(checkpoint)) as rig:
        with pytest.raises(ConfigError, match=rig.server.address):
            async with serving(model_config(checkpoint), address=rig.server.address):
                pass


async def test_a_port_that_is_taken_on_one_address_of_a_name_is_refused(checkpoint):
    """`localhost` is 127.0.0.1 and ::1: gRPC would serve the one that is free, and clients would reach either."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"server\.address: localhost:{port} can't be bound"):
            async with serving(model_config(checkpoint), address=f"localhost:{port}"):
                pass


async def test_a_unix_socket(checkpoint, tmp_path):
    address = f"unix:{tmp_path}/paddock.sock"
    async with serving(model_config(checkpoint), address=address) as rig:
        assert rig.server.address == address
        assert (await rig.generate(request())).outputs[0].text


async def test_get_model_describes_it_in_full(rig):
    described = await rig.model()

    assert described.state == model_pb2.MODEL_STATE_READY
    assert (described.context_length, described.vocab_size) == (512, 600)
    assert described.limits.max_concurrency == 64
    assert described.limits.max_queue == 256
    assert described.limits.max_logprobs == 20
    supported = {field.name for field, value in described.support.ListFields() if value}
    assert {"supports_generate", "supports_chat", "supports_continuation", "supports_logprobs"} <= supported
    assert not {"supports_classify", "supports_guards", "supports_response_format"} & supported


async def _unending(wanted):
    yield TokenDelta((byte_id("a"),))
    await asyncio.Event().wait()


async def test_probes_have_a_port_of_their_own(checkpoint):
    """Health through loading, serving and draining, liveness throughout, and no other service."""
    backend = ScriptedBackend(_unending)
    backend.may_load.clear()
    async with serving(model_config(checkpoint), backend=backend, load=False, health_address="127.0.0.1:0") as rig:
        probe = Client(rig.server.health_address)
        watch = probe.health.Watch(health_pb2.HealthCheckRequest())
        loading = asyncio.ensure_future(rig.server.load())
        assert [await probe.serving(service) for service in ("", "liveness")] == ["NOT_SERVING", "SERVING"]
        for call in (probe.generate(request()), probe.model()):
            assert (await failure(call)).code is Code.UNIMPLEMENTED
        reflected = reflection_pb2_grpc.ServerReflectionStub(probe.channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
            await soon(reflected.read())
        backend.may_load.set()
        await soon(loading)
        assert [await probe.serving(service) for service in ("", SERVICE, "liveness")] == ["SERVING"] * 3

        call = rig.stub.GenerateStream(request(max_tokens=4))
        await first_token(call)
        stopping = asyncio.ensure_future(rig.server.stop())
        states = [(await soon(watch.read())).status for _ in range(3)]
        assert states == [NOT_SERVING, SERVING, NOT_SERVING]
        assert await probe.serving("liveness") == "SERVING"
        call.cancel()
        await soon(stopping)
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            await probe.serving("liveness")
        await probe.channel.close()


async def test_a_probe_sends_little_and_asks_for_no_certificate(checkpoint):
    async with serving(model_config(checkpoint), health_address="127.0.0.1:0") as rig:
        probe = Client(rig.server.health_address)
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
            await probe.serving("x" * 5000)
        assert await probe.serving() == "SERVING"
        await probe.channel.close()


async def test_a_taken_health_address_is_an_error(checkpoint):
    async with serving(model_config(checkpoint)) as rig:
        with pytest.raises(ConfigError, match=r"server\.health_address: .* can't be bound"):
            async with serving(model_config(checkpoint), health_address=rig.address):
                pass
