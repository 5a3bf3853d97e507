"""A service's EndpointSlices, followed over a real connection to a stand-in for the API server of Kubernetes."""

from __future__ import annotations

import asyncio
import logging

import pytest
import pytest_asyncio

from services.errors import ConfigError
from services.routing import kubernetes, member, slice_watch
from services.routing.config import (
    EndpointSlicesConfig,
    KubernetesConfig,
    OutlierConfig,
    PoolConfig,
    RoutedModelConfig,
    RoutingConfig,
    UpstreamConfig,
)
from services.routing.endpoint import Standing
from services.routing.kubernetes import ApiServer
from services.routing.router import Router
from services.routing.slice_watch import SliceWatch
from tests.authority import Authority
from tests.cluster import NAMESPACE, Cluster, endpoint, slice_of
from tests.service.rig import MODEL, model_config, request, serving, simulator, soon, until

SERVICE = EndpointSlicesConfig("workers", "grpc")
OUT, LEAVING, READY = Standing
A, B, C = ("10.0.0.1:50051", "10.0.0.2:50051", "10.0.0.3:50051")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one_cluster(tmp_path_factory):
    """The stand-in."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(one_cluster, monkeypatch):
    """The stand-in with nothing in it; who follows it loses no time."""
    one_cluster.reset()
    monkeypatch.setattr(slice_watch, "_FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(slice_watch, "_LAST_BACKOFF_S", 0.05)
    monkeypatch.setattr(member, "_SETTLE_S", 0.05)
    yield one_cluster
    await one_cluster.drop()


class Follower:
    """Follows the service, and keeps what it is told.

    Attributes:
        told: all that was, one after the other.
    """

    def __init__(self, config, service=SERVICE):
        self.told = []
        self.watch = SliceWatch(ApiServer(config), service, NAMESPACE, self._hear)
        self._news = asyncio.Condition()
        self.task = asyncio.ensure_future(self.watch.follow())

    def _hear(self, endpoints):
        self.told.append(dict(endpoints))

    async def until(self, **ready):
        """Wait until it is told just that of a, b and c."""
        expected = {{"a": A, "b": B, "c": C}[name]: standing for name, standing in ready.items()}

        async def reached():
            assert not self.task.done()
            return bool(self.told) and self.told[-1] == expected

        await until(reached)


@pytest_asyncio.fixture(loop_scope="session")
async def follow(cluster):
    """Make followers that end with the test."""
    made = []

    def make(**settings):
        made.append(Follower(cluster.config, **settings))
        return made[-1]

    yield make
    for one in made:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in made), return_exceptions=True)


def messages(caplog, level=logging.WARNING):
    """What was logged of it."""
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


async def watched(cluster, count):
    """Wait until so many watches were asked for."""

    async def reached():
        return len(cluster.watches) >= count

    await until(reached)


async def test_what_there_is_and_what_happens_is_told(cluster, follow):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")), slice_of("y", endpoint("10.0.0.2", ready=False)))
    one = follow()
    await soon(one.watch.heard.wait())
    assert one.told == [{A: READY, B: OUT}]
    await cluster.put(slice_of("y", endpoint("10.0.0.2"), endpoint("10.0.0.3")))
    await one.until(a=READY, b=READY, c=READY)
    await cluster.put(slice_of("x", endpoint("10.0.0.1", ready=False, serving=True, terminating=True)))
    await one.until(a=LEAVING, b=READY, c=READY)
    await cluster.delete("x")
    await one.until(b=READY, c=READY)
    await cluster.put(slice_of("y"))
    await one.until()
    assert cluster.lists == 1
    assert len(cluster.watches) == 1


async def test_a_watch_that_ends_or_breaks_goes_on_where_it_was(cluster, follow):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow()
    await watched(cluster, 1)
    await cluster.put(slice_of("x", endpoint("10.0.0.2")))
    await one.until(b=READY)
    await cluster.bookmark()
    await cluster.end()
    await watched(cluster, 2)
    await cluster.drop()
    await watched(cluster, 3)
    await cluster.put(slice_of("x", endpoint("10.0.0.3")))
    await one.until(c=READY)
    assert cluster.lists == 1
    assert cluster.watches[0] == "101"
    assert cluster.watches[-1] == "103"  # the bookmark's


async def test_what_happened_between_two_watches_is_told(cluster, follow):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow()
    await watched(cluster, 1)
    await cluster.stop()
    await cluster.put(slice_of("x", endpoint("10.0.0.2")), slice_of("y", endpoint("10.0.0.3")))
    await cluster.delete("x")
    await cluster.start()
    await one.until(c=READY)
    assert cluster.lists == 1


async def test_what_is_forgotten_is_listed_anew(cluster, follow, caplog):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")), slice_of("y", endpoint("10.0.0.2")))
    one = follow()
    await watched(cluster, 1)
    await cluster.stop()
    await cluster.delete("x")
    await cluster.put(slice_of("z", endpoint("10.0.0.3")))
    cluster.forget()
    await cluster.start()
    await one.until(b=READY, c=READY)
    assert cluster.lists == 2
    assert [text for text in messages(caplog) if "reached" not in text] == []


@pytest.mark.parametrize("status", [410, 500])
async def test_a_watch_that_is_refused_is_begun_with_a_list(cluster, follow, status):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow()
    await watched(cluster, 1)
    cluster.status = status
    await cluster.drop()
    await watched(cluster, 2)
    cluster.status = 0
    await cluster.put(slice_of("x", endpoint("10.0.0.2")))
    await one.until(b=READY)
    assert cluster.lists >= 2


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b'{"type": "MODIFIED", "object": {"metadata": {"name": "x", "resourceVersion": "7"}, "endpoints": 5}}\n',
        b'{"type": "ERROR", "object": {"code": 500}}\n',
        b'{"type": "DELETED", "object": {}}\n',
        b"\n",
        b"x" * 5000,
    ],
    ids=lambda line: line[:20].decode(),
)
async def test_garbage_harms_nothing(cluster, follow, caplog, monkeypatch, line):
    monkeypatch.setattr(slice_watch, "_MAX_LINE_BYTES", 2000)
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow()
    await watched(cluster, 1)
    await cluster.say(line)
    await watched(cluster, 2)
    await cluster.put(slice_of("y", endpoint("10.0.0.2")))
    await one.until(a=READY, b=READY)
    assert all(told in ({A: READY}, {A: READY, B: READY}) for told in one.told)
    assert cluster.lists == 2
    (warning,) = messages(caplog)
    assert warning.startswith(f"service workers of namespace {NAMESPACE} can't be followed: ")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"items": []}', b'{"metadata": {}, "items": [{}]}', b"x" * 5000])
async def test_a_list_of_garbage_harms_nothing(cluster, follow, caplog, monkeypatch, body):
    monkeypatch.setattr(slice_watch, "_MAX_LIST_BYTES", 2000)
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow()
    await watched(cluster, 1)
    cluster.forget()
    cluster.body = body
    await cluster.drop()

    async def asked_often():
        return cluster.lists >= 4

    await until(asked_often)
    assert one.told == [{A: READY}]
    cluster.body = None
    await cluster.put(slice_of("x", endpoint("10.0.0.2")))
    await one.until(b=READY)
    assert len([text for text in messages(caplog) if "sends" in text]) == 1


async def test_without_an_api_server_all_stays(cluster, follow, caplog):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow()
    await watched(cluster, 1)
    caplog.set_level(logging.INFO)
    await cluster.stop()

    async def complained():
        return any("can't be reached" in text for text in messages(caplog))

    await until(complained)
    assert one.told == [{A: READY}]
    await cluster.start()
    await watched(cluster, 2)

    async def recovered():
        return any(text.endswith("is followed again") for text in messages(caplog, logging.INFO))

    await until(recovered)
    assert one.told == [{A: READY}]
    assert cluster.lists == 1


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "doesn't accept"), (403, "let the service account list and watch"), (503, "503")]
)
async def test_a_refusal_is_told_once_with_its_remedy(cluster, follow, caplog, status, remedy):
    cluster.status = status
    one = follow()
    await soon(one.watch.heard.wait())

    async def asked_often():
        return len(cluster.requests) >= 4

    await until(asked_often)
    (warning,) = messages(caplog)
    assert remedy in warning
    assert cluster.token not in warning
    cluster.status = 0
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    await one.until(a=READY)


async def test_a_token_is_read_again(cluster, follow):
    one = follow()
    await watched(cluster, 1)
    cluster.token = "another"
    (cluster.folder / "token").write_text("another")
    await cluster.drop()
    await watched(cluster, 2)
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    await one.until(a=READY)
    assert cluster.lists == 1


async def test_an_api_server_with_another_authority_is_not_spoken_to(cluster, follow, caplog, tmp_path):
    (cluster.folder / "ca.crt").write_bytes(Authority(tmp_path / "other").file.read_bytes())
    one = follow()
    await soon(one.watch.heard.wait())
    assert "CERTIFICATE_VERIFY_FAILED" in messages(caplog)[0]
    assert not cluster.requests
    assert not one.told


@pytest.mark.parametrize("greeting", [b"SSH-2.0\r\n\r\n", b""])
async def test_one_that_speaks_otherwise_or_not_at_all_is_left(cluster, monkeypatch, caplog, greeting):
    monkeypatch.setattr(kubernetes, "_CONNECT_S", 0.05)
    writers = []

    def greet(_, writer):
        writer.write(greeting)
        writers.append(writer)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    one = Follower(KubernetesConfig(address, cluster.config.service_account))
    await soon(one.watch.heard.wait())
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)
    server.close()
    for writer in writers:
        writer.transport.abort()
    assert "can't be reached" in messages(caplog)[0]


async def test_no_such_port_is_told(cluster, follow, caplog):
    await cluster.put(slice_of("x", endpoint("10.0.0.1")))
    one = follow(service=EndpointSlicesConfig("workers", "http"))
    await watched(cluster, 1)
    await cluster.bookmark()
    await cluster.put(slice_of("x", endpoint("10.0.0.2")))
    await cluster.end()
    await watched(cluster, 2)
    assert one.told[-1] == {}
    assert messages(caplog) == [f"service workers of namespace {NAMESPACE} has endpoints, but no port http"]


async def test_large_slices_are_read(cluster, follow):
    await cluster.put(slice_of("x", *(endpoint(f"10.1.{n // 250}.{n % 250}", f"pod-{n}") for n in range(1000))))
    one = follow()
    await watched(cluster, 1)
    assert len(one.told[-1]) == 1000
    await cluster.put(slice_of("x", *(endpoint(f"10.2.{n // 250}.{n % 250}", f"pod-{n}") for n in range(999))))

    async def reached():
        return len(one.told[-1]) == 999

    await until(reached)
    assert cluster.lists == 1


def routing(cluster, *upstreams, **pool):
    """Configure a model whose pool is the service."""
    pools = [PoolConfig("main", list(upstreams), endpoint_slices=EndpointSlicesConfig("workers", "grpc"), **pool)]
    models = {MODEL: RoutedModelConfig(MODEL, pools=pools)}
    return RoutingConfig(models=models, kubernetes=cluster.config, outlier=OutlierConfig(slow_start_s=0.0))


def at(worker, **conditions):
    """Give a slice with a worker's address alone."""
    port = int(worker.address.rpartition(":")[2])
    return slice_of(worker.address.replace(":", "-"), endpoint("127.0.0.1", **conditions), port=port)


async def test_a_gateway_follows_its_workers(cluster, checkpoint):
    slow = model_config(checkpoint, simulator(time_per_token_s=0.02))
    async with serving(slow) as first, serving(slow) as second:
        await cluster.put(at(first))
        async with serving(routing=routing(cluster)) as gateway:
            stream = asyncio.ensure_future(gateway.stream(request(max_tokens=100)))

            async def begun():
                return first.server.models.all[0].backend.health().running > 0

            await until(begun)
            await cluster.put(at(second))
            (pool,) = gateway.server.router.routes[0].pools

            async def both():
                return [upstream.open for upstream in pool.upstreams] == [True, True]

            await until(both)
            await cluster.put(at(first, ready=False, serving=True, terminating=True))

            async def withdrawn():
                return [upstream.open for upstream in pool.upstreams] == [False, True]

            await until(withdrawn)
            assert pool.upstreams[0].serving  # what it says of itself, while it is asked no more
            await soon(asyncio.gather(*(gateway.generate(request()) for _ in range(8))))
            await cluster.put(at(second, ready=False))

            async def nobody_else():
                return not pool.upstreams[1].open

            await until(nobody_else)
            await soon(gateway.generate(request()))
            assert await gateway.serving(MODEL) == "SERVING"
            await cluster.put(at(second))
            await until(withdrawn)
            await cluster.delete(at(first)["metadata"]["name"])
            assert len((await soon(stream)).outputs[0].ids) == 100

            async def alone():
                return [upstream.address for upstream in pool.upstreams] == [second.address]

            await until(alone)
            await soon(gateway.generate(request()))


async def test_a_pool_has_configured_upstreams_too_and_connects_anew_with_new_certificates(cluster):
    await cluster.put(slice_of("x", endpoint("10.255.255.1", ready=False), endpoint("10.255.255.2")))
    router = Router(routing(cluster, UpstreamConfig("127.0.0.1:1")), 2**20, 2**20)
    assert router._credentials[0][0].server_name is None
    router.start()
    try:
        await watched(cluster, 1)
        pool = router.routes[0].pools[0]
        assert [upstream.address for upstream in pool.upstreams] == ["127.0.0.1:1", "10.255.255.2:50051"]
    finally:
        await soon(router.close())


async def test_what_is_not_as_in_a_pod_is_refused(cluster, tmp_path, monkeypatch):
    def refused(config, **pool):
        with pytest.raises(ConfigError) as caught:
            Router(RoutingConfig(models=routing(cluster, **pool).models, kubernetes=config), 2**20, 2**20)
        return str(caught.value)

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    folder = str(cluster.folder)
    assert refused(KubernetesConfig(None, folder)).startswith("routing.kubernetes.api_server: is not set")
    for name, contents in (("namespace", None), ("token", b""), ("ca.crt", b"no certificate"), ("token", None)):
        (cluster.folder / name).write_bytes(contents) if contents is not None else (cluster.folder / name).unlink()
        message = refused(KubernetesConfig("127.0.0.1:1", folder))
        assert message.startswith(f"routing.kubernetes.service_account: {cluster.folder / name} ")
        assert "; give a" in message
        cluster.reset()


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("10.96.0.1", "443", "10.96.0.1:443"),
        ("fd00::1", "6443", "[fd00::1]:6443"),
        ("10.96.0.1", None, "10.96.0.1:443"),
    ],
)
async def test_a_pod_knows_its_api_server_and_namespace(cluster, monkeypatch, host, port, address):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.delenv("KUBERNETES_SERVICE_PORT", raising=False)
    if port is not None:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    api = ApiServer(KubernetesConfig(None, str(cluster.folder)))
    assert (api.address, api.namespace) == (address, NAMESPACE)
