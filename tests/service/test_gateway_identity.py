"""A gateway and its workers: known to each other, whoever the client is."""

from __future__ import annotations

import grpc
import pytest

from paddock.v1 import model_pb2
from services.identity.caller import line
from services.identity.config import TlsConfig, UpstreamTlsConfig
from services.identity.key import new_key
from services.routing.config import PoolConfig, UpstreamConfig
from tests.authority import Authority, Pair
from tests.service.answer import Stream
from tests.service.failure import failure
from tests.service.gateway import routed, routing, until_serving
from tests.service.rig import MODEL, model_config, request, serving, simulator, soon, until

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("workers") / "authority")


def shown(key: str) -> tuple[tuple[str, str], ...]:
    """The metadata that shows a key."""
    return (("authorization", f"Bearer {key}"),)


async def test_client_gateway_and_worker_each_know_the_next(checkpoint, authority, tmp_path):
    """The worker takes the gateway's certificate and key; a client's own key would be a second one, and refused."""
    ours, theirs = new_key(), new_key()
    (tmp_path / "clients").write_text(f"{line('client', theirs, [MODEL])}\n")
    (tmp_path / "gateways").write_text(f"{line('gateway', ours, [])}\n")
    (tmp_path / "key").write_text(f"{ours}\n")
    worker_pair = authority.issue("worker", "DNS:worker.internal")
    gateway_pair = authority.issue("gateway", "DNS:gateway.internal")
    to_worker = UpstreamTlsConfig(
        str(authority.file), str(gateway_pair.cert), str(gateway_pair.key), server_name="worker.internal"
    )
    tls = TlsConfig(str(worker_pair.cert), str(worker_pair.key), str(authority.file))
    async with serving(model_config(checkpoint), tls=tls, api_keys=str(tmp_path / "gateways")) as worker:
        pool = PoolConfig("main", [UpstreamConfig(worker.address)], tls=to_worker, api_key_file=str(tmp_path / "key"))
        async with serving(routing=routing(routed(pool)), api_keys=str(tmp_path / "clients")) as gateway:
            await until_serving(gateway, 1)
            assert (await gateway.generate(request(), metadata=shown(theirs))).outputs
            assert (await gateway.stream(request(), metadata=shown(theirs))).outputs
            assert (await gateway.stream(request(model=""), metadata=shown(theirs))).outputs
            listed = await soon(gateway.stub.ListModels(model_pb2.ListModelsRequest(), metadata=shown(theirs)))
            assert [model.state for model in listed.models] == [model_pb2.MODEL_STATE_READY]
            assert (await failure(gateway.generate(request()))).code is Code.UNAUTHENTICATED
            assert (await failure(gateway.generate(request(), metadata=shown(ours)))).code is Code.UNAUTHENTICATED


async def test_a_gateway_that_a_worker_does_not_know_is_no_matter_of_the_client_s(checkpoint, tmp_path):
    old, new = new_key(), new_key()
    (tmp_path / "gateways").write_text(f"{line('gateway', new, [])}\n")
    (tmp_path / "key").write_text(old)
    async with serving(model_config(checkpoint), api_keys=str(tmp_path / "gateways")) as worker:
        pool = PoolConfig("main", [UpstreamConfig(worker.address)], api_key_file=str(tmp_path / "key"))
        async with serving(routing=routing(routed(pool))) as gateway:
            await until_serving(gateway, 1)
            for call in (gateway.generate(request()), gateway.stream(request())):
                failed = await failure(call)
                assert (failed.code, failed.reason) == (Code.UNAVAILABLE, "MODEL_UNAVAILABLE")
                assert failed.told == {"model": MODEL}

            (tmp_path / "key").write_text(f"  {new}\n")  # read again, with no restart

            async def known() -> bool:
                try:
                    return bool((await gateway.generate(request(max_tokens=1))).outputs)
                except grpc.aio.AioRpcError:
                    return False

            await until(known)


async def test_a_worker_of_another_authority_is_none(checkpoint, authority, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    pair = stranger.issue("worker", "IP:127.0.0.1")
    async with serving(model_config(checkpoint), tls=TlsConfig(str(pair.cert), str(pair.key))) as worker:
        tls = UpstreamTlsConfig(str(authority.file))
        pool = PoolConfig("main", [UpstreamConfig(worker.address)], tls=tls)
        async with serving(routing=routing(routed(pool))) as gateway:
            await soon(gateway.server.router.heard(10.0))
            assert (await failure(gateway.generate(request()))).reason == "MODEL_UNAVAILABLE"


async def test_a_new_certificate_towards_workers_is_shown_and_no_stream_ends(checkpoint, authority, tmp_path):
    first, second = (authority.issue(name, f"DNS:{name}.internal") for name in ("first", "second"))
    pair, callers = Pair(tmp_path / "gateway.pem", tmp_path / "gateway.key"), tmp_path / "callers"
    pair.replace(first)
    listed = [f'{{"name": "{name}", "san": "{name}.internal"}}\n' for name in ("first", "second")]
    callers.write_text("".join(listed))
    worker_pair = authority.issue("renewed-worker", "IP:127.0.0.1")
    tls = TlsConfig(str(worker_pair.cert), str(worker_pair.key), str(authority.file))
    model = model_config(checkpoint, simulator(time_per_token_s=0.01))
    async with serving(model, tls=tls, api_keys=str(callers)) as worker:
        to_worker = UpstreamTlsConfig(str(authority.file), str(pair.cert), str(pair.key))
        pool = PoolConfig("main", [UpstreamConfig(worker.address)], tls=to_worker)
        async with serving(routing=routing(routed(pool))) as gateway:
            await until_serving(gateway, 1)
            (old,) = gateway.server.router.routes[0].upstreams
            call = gateway.stub.GenerateStream(request(max_tokens=450))
            begun = await soon(call.read())

            pair.replace(second)

            async def renewed() -> bool:
                return old not in gateway.server.router.routes[0].upstreams

            await until(renewed)
            callers.write_text(listed[1])  # the first certificate is nobody's now

            async def first_is_forgotten() -> bool:
                return worker.server._identity._callers.value.of_certificate(["first.internal"]) is None

            await until(first_is_forgotten)
            assert (await gateway.generate(request(max_tokens=1))).outputs
            stream = Stream(request(max_tokens=450))
            stream.add(begun)
            while message := await soon(call.read()):
                stream.add(message)
            stream.check_end()
            assert stream.outputs[0].finished.completion_tokens == 450
            assert dict(await call.trailing_metadata())["x-paddock-attempts"] == "1"  # not resumed: never lost

            async def dropped() -> bool:
                return old not in gateway.server.router._watching

            await until(dropped)
            assert (await gateway.generate(request(max_tokens=1))).outputs
