"""What routing can be configured to, and what mistakes say."""

from __future__ import annotations

import math

import pytest

from services import config as configs
from services.errors import ConfigError
from services.guard.config import GuardKind
from services.identity.config import UpstreamTlsConfig
from services.routing.config import (
    EndpointSlicesConfig,
    KubernetesConfig,
    OutlierConfig,
    PoolConfig,
    RetryConfig,
    RoutedModelConfig,
    RoutingConfig,
    UpstreamConfig,
    check,
)

POOLS = 'routing.models.custom.pools=[{name: main, upstreams: [{address: "10.0.0.7:50051"}]}]'
SERVICE = "routing.models.custom.pools=[{name: main, endpoint_slices: {service: a}}]"
ROUTED = ["routing=custom", "routing.models.custom.name=far", POOLS]


def test_a_server_may_route_only():
    config = configs.load(["model=[]", *ROUTED])

    assert not config.models
    (model,) = config.routing.models.values()
    assert model.pools[0].upstreams == [UpstreamConfig("10.0.0.7:50051", 1.0)]


def test_a_routed_model_may_guard_one_of_this_server():
    guards = "+models.simulator.guards=[{model: far, subject: output}]"
    config = configs.load(["model=simulator", *ROUTED, "routing.models.custom.guard=llama_guard", guards])

    assert list(config.models) == ["simulator"]
    assert config.routing.models["custom"].guard is GuardKind.llama_guard


@pytest.mark.parametrize(
    ("overrides", "key", "remedy"),
    [
        (["model=[]"], "model: ", "name one"),
        ([*ROUTED[:2]], "routing.models.custom.pools", "give a pool"),
        ([*ROUTED, "routing.models.custom.name=a b"], "routing.models.custom.name", "use letters"),
        ([*ROUTED, "routing.models.custom.aliases=[paddock-tiny]"], "routing.models.custom.name", "rename one"),
        ([*ROUTED, "routing.models.custom.pools=[{upstreams: []}]"], "custom.pools[0].name", "set it"),
        ([*ROUTED, SERVICE], "custom.pools[0].endpoint_slices.port", "set it"),
        ([*ROUTED, "+models.paddock-tiny.guards=[{model: far, subject: input}]"], "guards[0]", "set routing"),
    ],
)
def test_a_mistake_names_key_and_remedy(overrides, key, remedy):
    with pytest.raises(ConfigError) as caught:
        configs.load(overrides)

    assert key in str(caught.value)
    assert remedy in str(caught.value)


def keyed(where):
    """Give the pool of a routed model whose workers know this server by a key."""
    return f"routing.models.custom.pools=[{{name: main, {where}, api_key_file: key}}]"


@pytest.mark.parametrize(
    "where",
    [
        'upstreams: [{address: "127.0.0.1:1"}, {address: "10.0.0.7:1"}]',
        'dns: "workers:1"',
        "endpoint_slices: {service: workers, port: 50051}",
    ],
)
def test_a_key_does_not_travel_unencrypted(where):
    with pytest.raises(ConfigError, match=r"^routing.models.custom.pools\[0\].api_key_file: .*; set tls.ca_file"):
        configs.load([*ROUTED, keyed(where)])
    configs.load([*ROUTED, keyed(f"{where}, tls: {{ca_file: ca}}")])
    configs.load([*ROUTED, keyed(where), "server.insecure=true"])
    configs.load([*ROUTED, keyed('upstreams: [{address: "127.0.0.1:1"}, {address: "unix:/run/worker"}]')])


def routing(*pools, **settings):
    """Give a configuration with one model."""
    return RoutingConfig(models={"m": RoutedModelConfig("m", pools=list(pools))}, **settings)


SLICES = "models.m.pools[0].endpoint_slices"


def service(**settings):
    """Give a service of Kubernetes."""
    return EndpointSlicesConfig(**{"service": "workers", "port": "grpc", **settings})


def secured(*arguments, **settings):
    """Give a pool with TLS."""
    return PoolConfig("main", dns="a:1", tls=UpstreamTlsConfig(*arguments, **settings))


def pool(*addresses, name="main", **settings):
    """Give a pool."""
    return PoolConfig(name, [UpstreamConfig(address, **settings) for address in addresses])


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (routing(), "models.m.pools:"),
        (routing(pool()), "models.m.pools[0].upstreams:"),
        (routing(pool("a:1", name="a b")), "models.m.pools[0].name:"),
        (routing(pool("a:1"), pool("b:1")), "models.m.pools[1].name:"),
        (routing(pool("a:1", "a:1")), "models.m.pools[0].upstreams[1].address:"),
        (routing(pool("a:1"), pool("a:1", name="other")), "models.m.pools[1].upstreams[0].address:"),
        (routing(pool("a:1", weight=0.0)), "models.m.pools[0].upstreams[0].weight:"),
        (routing(pool("a:1", weight=math.nan)), "models.m.pools[0].upstreams[0].weight:"),
        (routing(pool("a:1", weight=math.inf)), "models.m.pools[0].upstreams[0].weight:"),
        (routing(PoolConfig("main", dns="workers")), "models.m.pools[0].dns:"),
        (routing(PoolConfig("main", dns="a:1", endpoint_slices=service())), "models.m.pools[0].endpoint_slices:"),
        *[
            (routing(PoolConfig("main", endpoint_slices=service(port=port))), "models.m.pools[0].endpoint_slices.port:")
            for port in ("", "0", "65536", "1000000", "1" * 5000, "a b", "Grpc", "-", "٣")
        ],
        *[
            (routing(PoolConfig("main", endpoint_slices=service(service=name))), f"{SLICES}.service:")
            for name in ("", "a/b", "a.b", "a" * 64, "a?b")
        ],
        (routing(PoolConfig("main", endpoint_slices=service(namespace="../x"))), f"{SLICES}.namespace:"),
        (routing(pool("a:1"), kubernetes=KubernetesConfig("https://a")), "kubernetes.api_server:"),
        (
            routing(secured("ca", "cert")),
            "models.m.pools[0].tls.key_file:",
        ),
        (
            routing(secured(None, "a", "b")),
            "models.m.pools[0].tls.cert_file:",
        ),
        (
            routing(secured(server_name="a")),
            "models.m.pools[0].tls.server_name:",
        ),
        (routing(pool("a:1"), keepalive_s=0.0), "keepalive_s:"),
        (routing(pool("a:1"), retry=RetryConfig(max_attempts=0)), "retry.max_attempts:"),
        (routing(pool("a:1"), retry=RetryConfig(resume_wait_s=math.nan)), "retry.resume_wait_s:"),
        (routing(pool("a:1"), retry=RetryConfig(budget_ratio=1.5)), "retry.budget_ratio:"),
        (routing(pool("a:1"), outlier=OutlierConfig(base_ejection_s=-1.0)), "outlier.base_ejection_s:"),
        *[
            (routing(pool(address)), "models.m.pools[0].upstreams[0].address:")
            for address in ("a", "a:", "a:0", "a:65536", ":50051", "a/b:1", "unix:", "::1:50051", "a b:1", "")
        ],
    ],
)
def test_what_cannot_be_routed_is_refused_by_its_key(config, key):
    with pytest.raises(ConfigError) as caught:
        check(config)

    assert str(caught.value).startswith(f"routing.{key} ")
    assert ";" in str(caught.value)


def test_addresses_of_all_kinds():
    check(routing(pool("worker-3.internal:50051", "[::1]:50051", "unix:/run/paddock.sock", "127.0.0.1:65535")))
