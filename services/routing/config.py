"""The configuration of routing: which models are served by which workers, and what is done when one is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from omegaconf import MISSING

from services.admission.limit import LimitsConfig
from services.errors import ConfigError
from services.guard.config import GuardKind
from services.identity.config import UpstreamTlsConfig, check_upstream_tls

_LONGEST_S = 3600.0
_MOST_WEIGHT = 1e6
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


@dataclass
class UpstreamConfig:
    """A worker.

    Attributes:
        address: host:port, or unix:PATH.
        weight: its share of the pool's calls, relative to the others'.
    """

    address: str = MISSING
    weight: float = 1.0


@dataclass
class EndpointSlicesConfig:
    """A service of the Kubernetes cluster that this process runs in.

    Attributes:
        service: its name.
        port: the name that its port has, or the number of its pods' port.
        namespace: its own; null for this process's.
    """

    service: str = MISSING
    port: str = MISSING
    namespace: str | None = None


@dataclass
class PoolConfig:
    """Workers that are each as good as the other.

    Attributes:
        name: in logs and in the metadata of answers.
        upstreams: the workers.
        dns: host:port, each of whose addresses is a worker too, with weight 1.
        endpoint_slices: a service, each of whose pods is a worker too, with weight 1; instead of dns.
        tls: how the workers are known, and this server to them; without it connections are plain.
        api_key_file: holds the key that the workers know this server by, and nothing else. Read again when it changes.
    """

    name: str = MISSING
    upstreams: list[UpstreamConfig] = field(default_factory=list)
    dns: str | None = None
    endpoint_slices: EndpointSlicesConfig | None = None
    tls: UpstreamTlsConfig = field(default_factory=UpstreamTlsConfig)
    api_key_file: str | None = None


@dataclass
class RoutedModelConfig:
    """A model that workers serve, under this very name.

    Attributes:
        name: what requests call it, and what the workers do.
        aliases: other names, known here.
        guard: what kind of guard it is, if it is to guard a model of this server.
        max_queue: outputs that may wait here until its workers have room for them.
        max_wait_s: seconds that a request may wait here; what would have to wait longer is refused at once.
        limits: what each caller may ask of it, beside what they may ask of all models.
        pools: in order: one answers when none before it has a worker that can.
    """

    name: str = MISSING
    aliases: list[str] = field(default_factory=list)
    guard: GuardKind = GuardKind.none
    max_queue: int = 256
    max_wait_s: float = 60.0
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    pools: list[PoolConfig] = field(default_factory=list)


@dataclass
class OutlierConfig:
    """When a worker that says it is well is nevertheless left alone for a while.

    Attributes:
        consecutive_failures: calls lost one after the other that eject it.
        base_ejection_s: seconds of the first ejection; each further one takes twice as long.
        max_ejection_s: seconds of an ejection at most, and without a failure until the next one is a first one again.
        slow_start_s: seconds in which the weight of a worker that has come back grows from a tenth to all of it.
    """

    consecutive_failures: int = 5
    base_ejection_s: float = 2.0
    max_ejection_s: float = 60.0
    slow_start_s: float = 10.0


@dataclass
class RetryConfig:
    """What is done for a call whose worker is lost.

    Attributes:
        max_attempts: workers that one call may lose while nothing new comes of it; with the last of them it fails.
        budget_ratio: calls retried before their first message, as a part of all calls of the model.
        budget_min_per_s: calls that may be retried each second however few there are.
        resume_wait_s: seconds that a call whose worker is lost waits for another one, and how long after the loss of a
            model's last worker calls wait for one.
        kept_bytes: of a stream that are kept as they are; past it, what resuming needs is read from them.
    """

    max_attempts: int = 8
    budget_ratio: float = 0.2
    budget_min_per_s: float = 10.0
    resume_wait_s: float = 10.0
    kept_bytes: int = 2**18


@dataclass
class KubernetesConfig:
    """The cluster that this process runs in, for pools with `endpoint_slices`.

    Attributes:
        api_server: host:port of its API server; null for what a pod's environment says.
        service_account: folder with the token that this process is known by, the authority of the API server's
            certificate (ca.crt), and the namespace. Read again for each request.
    """

    api_server: str | None = None
    service_account: str = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass
class RoutingConfig:
    """Models of other processes.

    Attributes:
        models: by any key; filled by the files of conf/routing/.
        dns_refresh_s: seconds between two looks at the addresses of a host name.
        kubernetes: the cluster that pools' `endpoint_slices` are in.
        keepalive_s: seconds between pings to a worker; workers take two a second at most.
        keepalive_timeout_s: seconds to wait for the answer; a worker that hangs is lost after the two together.
        max_writes_per_s: messages of streams a second that are sent to clients, for the whole server; past it streams
            take turns, and send what has gathered. The first two of a stream and its end never wait, and nothing waits
            longer than 0.25 s.
        outlier: when a worker is left alone.
        retry: what is done for a call whose worker is lost.
    """

    models: dict[str, RoutedModelConfig] = field(default_factory=dict)
    dns_refresh_s: float = 5.0
    kubernetes: KubernetesConfig = field(default_factory=KubernetesConfig)
    keepalive_s: float = 10.0
    keepalive_timeout_s: float = 5.0
    max_writes_per_s: int = 3000
    outlier: OutlierConfig = field(default_factory=OutlierConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)


_RANGES: dict[str, tuple[float, float]] = {
    "dns_refresh_s": (0.1, _LONGEST_S),
    "keepalive_s": (0.1, _LONGEST_S),
    "keepalive_timeout_s": (0.1, _LONGEST_S),
    "max_writes_per_s": (1, 1e6),
    "consecutive_failures": (1, 1000),
    "base_ejection_s": (0, _LONGEST_S),
    "max_ejection_s": (0, _LONGEST_S),
    "slow_start_s": (0, _LONGEST_S),
    "max_attempts": (1, 100),
    "budget_ratio": (0, 1),
    "budget_min_per_s": (0, 1e6),
    "resume_wait_s": (0, _LONGEST_S),
    "kept_bytes": (0, 2**30),
    "max_queue": (0, 2**31 - 1),
    "max_wait_s": (0.001, _LONGEST_S),
}


def check(config: RoutingConfig) -> None:
    """Check all but the names of models, which are checked beside those of this server's own.

    Raises:
        ConfigError: something is wrong.
    """
    server = config.kubernetes.api_server
    if server is not None and not _is_host_and_port(server):
        raise ConfigError(f"routing.kubernetes.api_server: {server!r} is no host:port; give one such as 10.0.0.1:443")
    for key, model in config.models.items():
        _check_pools(f"routing.models.{key}.pools", model)
    groups: dict[str, Any] = {"routing": config, "routing.outlier": config.outlier, "routing.retry": config.retry}
    groups |= {f"routing.models.{key}": model for key, model in config.models.items()}
    for where, group in groups.items():
        for name in (entry.name for entry in fields(group) if entry.name in _RANGES):
            value, (least, most) = getattr(group, name), _RANGES[name]
            if not least <= value <= most:
                raise ConfigError(f"{where}.{name}: {value:g} is not in [{least:g}, {most:g}]; give one that is")


def _check_pools(where: str, model: RoutedModelConfig) -> None:
    if not model.pools:
        raise ConfigError(f"{where}: is empty; give a pool with at least one upstream")
    names: set[str] = set()
    addresses: set[str] = set()
    for number, pool in enumerate(model.pools):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", pool.name):
            raise ConfigError(f"{where}[{number}].name: {pool.name!r} is no name; use letters, digits and . _ -")
        if pool.name in names:
            raise ConfigError(f"{where}[{number}].name: {pool.name!r} is there twice; rename one")
        names.add(pool.name)
        _check_discovery(f"{where}[{number}]", pool)
        check_upstream_tls(f"{where}[{number}].tls", pool.tls)
        for place, upstream in enumerate(pool.upstreams):
            key = f"{where}[{number}].upstreams[{place}]"
            _check_upstream(key, upstream)
            if upstream.address in addresses:
                raise ConfigError(f"{key}.address: {upstream.address} is there twice; leave one out")
            addresses.add(upstream.address)


def _check_discovery(where: str, pool: PoolConfig) -> None:
    slices = pool.endpoint_slices
    if not pool.upstreams and pool.dns is None and slices is None:
        raise ConfigError(
            f"{where}.upstreams: is empty; give at least one, with its address, or dns, or endpoint_slices"
        )
    if pool.dns is not None and not _is_host_and_port(pool.dns):
        raise ConfigError(f"{where}.dns: {pool.dns!r} is no host:port; give one such as workers:50051")
    if slices is None:
        return
    if pool.dns is not None:
        raise ConfigError(f"{where}.endpoint_slices: is there beside dns; leave out one of them")
    for name, value in (("service", slices.service), ("namespace", slices.namespace or "default")):
        if not re.fullmatch(_LABEL, value):
            raise ConfigError(f"{where}.endpoint_slices.{name}: {value!r} is no name in Kubernetes; give one")
    port = slices.port
    if not (0 < int(port[:6]) < 2**16 if re.fullmatch("[0-9]+", port) else re.fullmatch(_LABEL, port)):
        raise ConfigError(
            f"{where}.endpoint_slices.port: {port!r} is no port; give the name or the number of one, such as grpc"
        )


def _check_upstream(key: str, upstream: UpstreamConfig) -> None:
    if not re.fullmatch(r"unix:\S+", upstream.address) and not _is_host_and_port(upstream.address):
        raise ConfigError(f"{key}.address: {upstream.address!r} is no host:port; give one such as 10.0.0.7:50051")
    if not 0 < upstream.weight <= _MOST_WEIGHT:
        raise ConfigError(f"{key}.weight: {upstream.weight:g} is not above 0 and at most {_MOST_WEIGHT:g}; give one")


def _is_host_and_port(address: str) -> bool:
    match = re.fullmatch(r"[^/:\s]+:(\d{1,5})|\[[0-9A-Fa-f:.%]+\]:(\d{1,5})", address)
    return match is not None and 0 < int(match[1] or match[2]) < 2**16
