"""The configuration: its schema, and what is checked before anything starts.

Every mistake ends as one `ConfigError` sentence that names the key and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any

from omegaconf import MISSING

from services.admission.limit import LimitsConfig, check_limits
from services.composition import compose
from services.errors import ConfigError
from services.guard.config import GuardConfig, GuardKind, GuardSubject, check_sizes
from services.identity.config import TlsConfig, check_server, is_loopback
from services.routing import config as routing_config
from services.routing.config import RoutedModelConfig, RoutingConfig
from services.sampling import RANGES
from services.telemetry import config as telemetry_config
from services.telemetry.config import TelemetryConfig


class ChatLayout(Enum):
    """How a model's conversations are laid out: Llama 3.1's two ways, the checkpoint's own template, `none` at all."""

    hf = "hf"
    meta = "meta"
    template = "template"
    none = "none"


@dataclass
class SamplingDefaults:
    """Defaults of a request's sampling fields; None leaves the choice to the checkpoint's generation_config.json."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass
class ModelConfig:
    """A served model.

    Attributes:
        name: what requests call it.
        aliases: other names.
        checkpoint: `embedded:NAME`, a folder, or a hub name.
        revision: of a hub name: a branch, tag or commit.
        chat_layout: how conversations are encoded.
        guard: what kind of guard it is: `llama_guard` generates a verdict, `prompt_guard` is a classifier.
        date: the date told to the model, YYYY-MM-DD; None for today's in UTC.
        sampling: defaults of requests.
        max_tokens: default of `GenerateRequest.max_tokens`.
        max_queue: outputs that may wait beyond those that compute.
        max_wait_s: seconds that a request may wait; what would have to wait longer is refused at once.
        limits: what each caller may ask of it, beside what they may ask of all models.
        guards: other served models that judge what goes in and what comes out.
        backend: a backend's config, from conf/backend/.
    """

    name: str = MISSING
    aliases: list[str] = field(default_factory=list)
    checkpoint: str = MISSING
    revision: str | None = None
    chat_layout: ChatLayout = ChatLayout.hf
    guard: GuardKind = GuardKind.none
    date: str | None = None
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    max_tokens: int = 1024
    max_queue: int = 256
    max_wait_s: float = 60.0
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    guards: list[GuardConfig] = field(default_factory=list)
    backend: Any = MISSING


@dataclass
class ServerConfig:
    """The gRPC server.

    Attributes:
        address: host:port, or unix:PATH. Port 0 takes a free one.
        health_address: host:port where the health service alone answers, in the clear and to anybody, for probes that
            can't show a certificate, such as Kubernetes' own; None for nowhere.
        insecure: allow an address that other machines reach, though callers are not identified, and keys that travel
            unencrypted, to this server and to workers.
        tls: certificates; without them connections are plain.
        api_keys: file of those who may call, with their keys' digests; see docs/security.md. Read again on changes.
        limits: what each caller may ask of all models together, unless the file says otherwise of them.
        shared_cache: let callers share what was computed of prompts; each can then tell by an answer's time whether
            another has sent the same beginning.
        reflection: answer `grpc.reflection`.
        max_request_bytes: of one message from a client.
        max_response_bytes: of one message to a client.
        max_concurrent_rpcs: calls handled at once, of all kinds; past it RESOURCE_EXHAUSTED.
        max_connections: connections at once; past it new ones are closed.
        max_connection_rpcs: calls of one connection at once, those included that wait for their reader; more wait at
            their client. Raise it on workers of a gateway that sends one more.
        max_unread_bytes: of answers in one message that their readers have not taken yet, where such an answer is
            larger than 64 KiB; past it RESOURCE_EXHAUSTED.
        receive_s: seconds that a request may take to arrive.
        handshake_s: seconds that a new connection may take for TLS and for HTTP/2's first words.
        max_connection_idle_s: seconds after which a connection without calls is closed.
        keepalive_s: seconds between pings on a silent connection.
        keepalive_timeout_s: seconds to wait for the answer.
        max_connection_age_s: seconds after which a connection is asked to reconnect, so that load spreads.
        max_connection_age_grace_s: seconds that its calls may go on.
        drain_s: seconds that calls may go on after SIGTERM.
        close_s: seconds that backends may take to close.
        max_writes_per_s: messages of streams a second, for the whole server; past it streams take turns, and write what
            has gathered. A first token, the end of an output and a guard's verdict never wait, and nothing waits longer
            than 0.25 s.
        stall_s: seconds that a reader may leave a message unread.
        deadline_margin_s: seconds before a call's deadline at which TIME_LIMIT ends it; at most a tenth of its time.
    """

    address: str = "127.0.0.1:50051"
    health_address: str | None = None
    insecure: bool = False
    tls: TlsConfig = field(default_factory=TlsConfig)
    api_keys: str | None = None
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    shared_cache: bool = False
    reflection: bool = True
    max_request_bytes: int = 20 * 2**20
    max_response_bytes: int = 64 * 2**20
    max_concurrent_rpcs: int = 4096
    max_connections: int = 4096
    max_connection_rpcs: int = 1024
    max_unread_bytes: int = 2**28
    receive_s: float = 30.0
    handshake_s: float = 10.0
    max_connection_idle_s: float = 900.0
    keepalive_s: float = 60.0
    keepalive_timeout_s: float = 20.0
    max_connection_age_s: float = 3600.0
    max_connection_age_grace_s: float = 3600.0
    drain_s: float = 60.0
    close_s: float = 10.0
    max_writes_per_s: int = 1000
    stall_s: float = 30.0
    deadline_margin_s: float = 0.25


@dataclass
class PaddockConfig:
    """All of it. `models` is filled by the files of conf/model/, one entry each."""

    models: dict[str, ModelConfig] = field(default_factory=dict)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)


def load(overrides: list[str], config_dir: str | None = None) -> PaddockConfig:
    """Compose and check the configuration.

    Args:
        overrides: Hydra overrides, such as `server.address=127.0.0.1:0` or `model=simulator`.
        config_dir: a folder searched before the built-in `conf/`, laid out like it.

    Raises:
        ConfigError: something in it is wrong.
    """
    config = compose(PaddockConfig, overrides, config_dir)
    if not isinstance(config, PaddockConfig):
        raise ConfigError("config.yaml: its defaults must begin with paddock_schema")
    _check(config)
    return config


def _check(config: PaddockConfig) -> None:
    if not config.models and not config.routing.models:
        raise ConfigError("model: none is configured or routed; name one, for instance model=paddock-tiny")
    served: dict[str, ModelConfig | RoutedModelConfig] = {}
    served.update((f"models.{key}", model) for key, model in config.models.items())
    served.update((f"routing.models.{key}", model) for key, model in config.routing.models.items())
    names: dict[str, str] = {}
    for where, named in served.items():
        _check_names(where, named)
        check_limits(f"{where}.limits", named.limits)
        for name in (named.name, *named.aliases):
            if name in names:
                raise ConfigError(f"{where}.name: {name!r} is also {names[name]}'s; rename one")
            names[name] = where
    for key, model in config.models.items():
        _check_model(f"models.{key}", model)
        _check_guards(f"models.{key}", model.guards, served, names)
    routing_config.check(config.routing)
    _check_keys_to_workers(config)
    for entry in fields(config.server):
        value = getattr(config.server, entry.name)
        most = _MOST_S if isinstance(value, float) else _MOST
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not 0 < value <= most:
            raise ConfigError(f"server.{entry.name}: {value} is not above 0 and at most {most}; give one that is")
    check_limits("server.limits", config.server.limits)
    _check_address(config.server)
    _check_telemetry(config.telemetry)


def _check_names(key: str, model: ModelConfig | RoutedModelConfig) -> None:
    for field_name, name in (("name", model.name), *(("aliases", alias) for alias in model.aliases)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}", name):
            raise ConfigError(f"{key}.{field_name}: {name!r} is no name; use letters, digits and . _ - / :")


def _check_model(key: str, model: ModelConfig) -> None:
    if model.guard is not GuardKind.none and model.chat_layout is not ChatLayout.none:
        raise ConfigError(
            f"{key}.chat_layout: a guard is asked by Classify, in a frame of its own, and takes no chat; set it to none"
        )
    if model.max_tokens < 1:
        raise ConfigError(f"{key}.max_tokens: {model.max_tokens} is too few; give at least 1")
    if model.max_queue < 0:
        raise ConfigError(f"{key}.max_queue: {model.max_queue} is negative; give 0 or more")
    if not 0 < model.max_wait_s <= _MOST_S:
        raise ConfigError(
            f"{key}.max_wait_s: {model.max_wait_s:g} is not above 0 and at most {_MOST_S}; give one that is"
        )
    for entry in fields(model.sampling):
        value = getattr(model.sampling, entry.name)
        if value is not None and value not in RANGES[entry.name]:
            raise ConfigError(
                f"{key}.sampling.{entry.name}: {value:g} is not in {RANGES[entry.name]}; give one that is"
            )
    if not is_dataclass(model.backend):
        raise ConfigError(f"{key}.backend._target_: none is not one of Paddock's backends")
    for where, target in _targets(f"{key}.backend", model.backend):
        if not re.fullmatch(r"backends\.\w+\.backend\.\w+", target):
            raise ConfigError(f"{where}._target_: {target} is not one of Paddock's backends")


def _targets(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Find what would be called to make a backend and those that it chooses from, and the keys that say so."""
    entries = vars(value) if is_dataclass(value) else value if isinstance(value, dict) else {}
    for name, inner in entries.items():
        if name == "_target_":
            yield key, str(inner)
        yield from _targets(f"{key}.{name}", inner)


def _check_guards(
    key: str,
    guards: Sequence[GuardConfig],
    served: Mapping[str, ModelConfig | RoutedModelConfig],
    names: Mapping[str, str],
) -> None:
    """Check the guards of the model at a key; `names` gives the key of the model that goes by a name."""
    seen = set()
    for number, guard in enumerate(guards):
        where = f"{key}.guards[{number}]"
        if guard.model not in names:
            raise ConfigError(
                f"{where}.model: {guard.model!r} is not served here; serve it too, with model=[...], or route it"
            )
        own_key = names[guard.model]
        if own_key == key:
            raise ConfigError(f"{where}.model: {guard.model!r} is the model itself; name another one")
        kind = served[own_key].guard
        if kind is GuardKind.none:
            raise ConfigError(f"{where}.model: {guard.model!r} is no guard; name one, or set {own_key}.guard")
        if guard.subject is GuardSubject.output and kind is not GuardKind.llama_guard:
            raise ConfigError(
                f"{where}.subject: {guard.model!r} is a {kind.value}, which judges input only; set it to input"
            )
        if (own_key, guard.subject) in seen:
            raise ConfigError(f"{where}: {guard.model!r} guards the {guard.subject.value} already; leave one out")
        seen.add((own_key, guard.subject))
        check_sizes(where, guard)


_MOST = 2**31 - 1
"""gRPC's core takes its settings as C ints."""
_MOST_S = _MOST // 1000
"""In milliseconds that is the same."""


def _check_address(server: ServerConfig) -> None:
    for key, address in (("address", server.address), ("health_address", server.health_address)):
        match = re.fullmatch(r".+:(\d{1,5})", address or ":0")
        if address is not None and not address.startswith("unix:") and not (match and int(match[1]) < 2**16):
            raise ConfigError(f"server.{key}: {address!r} is no host:port; give one such as 127.0.0.1:50051")
    if server.health_address == server.address and not server.address.endswith(":0"):
        raise ConfigError(f"server.health_address: {server.address} is server.address already; give another port")
    check_server(server)


def _check_keys_to_workers(config: PaddockConfig) -> None:
    for key, model in config.routing.models.items():
        for number, pool in enumerate(model.pools):
            addresses = [*(upstream.address for upstream in pool.upstreams), *filter(None, [pool.dns])]
            if pool.endpoint_slices is not None:
                addresses.append(f"service {pool.endpoint_slices.service}")
            elsewhere = next((address for address in addresses if not is_loopback(address)), None)
            plain = pool.api_key_file is not None and pool.tls.ca_file is None
            if plain and elsewhere is not None and not config.server.insecure:
                raise ConfigError(
                    f"routing.models.{key}.pools[{number}].api_key_file: the key would travel unencrypted to "
                    f"{elsewhere}; set tls.ca_file of the pool, or set server.insecure=true"
                )


def _check_telemetry(telemetry: TelemetryConfig) -> None:
    telemetry_config.check(telemetry)
    address = telemetry.metrics_address
    if address is not None and not is_loopback(address) and not telemetry.insecure:
        raise ConfigError(
            f"telemetry.metrics_address: {address} can be reached from other machines and whoever asks is answered; "
            "use a loopback address, or set telemetry.insecure=true"
        )
