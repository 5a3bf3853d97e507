"""The gRPC server: bound, with health and reflection, and its way from start to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from paddock.v1 import inference_pb2, inference_pb2_grpc
from services.admission.limit import Limiter
from services.config import PaddockConfig, ServerConfig
from services.edge import Edge
from services.errors import ConfigError
from services.health import LIVENESS, HealthServicer, health_server
from services.identity.certificate import server_credentials, server_files
from services.identity.expiry import Expiries
from services.identity.file import follow
from services.identity.identity import Identity
from services.inference import InferenceServicer
from services.interceptor import SERVICE
from services.model import ServedModel, ServedModels, State
from services.routing.gateway import Gateway
from services.routing.router import Router
from services.telemetry.interceptor import Recorder
from services.telemetry.telemetry import Telemetry
from services.telemetry.telemetry import wanted as telemetry_wanted

_HEALTH_POLL_S = 0.5
_HEARD_S = 5.0
"""Seconds to wait for the first word of the workers that models are routed to."""
_STOP_GRACE_S = 0.5
"""Seconds for calls that have ended to get their status out."""

_log = logging.getLogger(__name__)


class Server:
    """One process's server.

    Life cycle: `start` binds and answers UNAVAILABLE -> `load` makes the models ready -> `stop`.

    Attributes:
        address: where it listens, once started.
        health_address: where health alone answers, once started; None for nowhere.
        models: what it serves.
        router: the models that it leaves to other processes.
        limiter: of its callers.
        telemetry: what is told of it, once started; None where nobody listens.
    """

    def __init__(self, config: PaddockConfig) -> None:
        """Read the files of keys and certificates.

        Raises:
            ConfigError: one can't be used, or a model goes by a name of the health service's own.
        """
        _check_health_names(config)
        self._config = config.server
        shown = server_files(config.server.tls)
        self._credentials = None if shown is None else server_credentials(shown, config.server.tls)
        self.models = ServedModels([ServedModel(key, model) for key, model in config.models.items()])
        self.limiter = Limiter(config.server.limits, time.monotonic)
        self.router = Router(config.routing, config.server.max_request_bytes, config.server.max_response_bytes)
        self._expiries = Expiries([*([] if shown is None else [shown]), *self.router.files])
        self.telemetry: Telemetry | None = None
        self._telemetry_config = config.telemetry
        self.address = config.server.address
        self.health_address = config.server.health_address
        self._identity = Identity(config.server, lambda: (*self.router.routes, *self.models.all))
        self._edge = Edge(config.server, self._identity)
        self._health = HealthServicer()
        self._grpc: grpc.aio.Server | None = None
        self._probed: grpc.aio.Server | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._draining = False
        self._died = asyncio.Event()
        self._dead: ServedModel | None = None

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            ConfigError: an address can't be bound.
        """
        self.router.start()
        interceptors: list[grpc.aio.ServerInterceptor] = [self._edge]
        if telemetry_wanted(self._telemetry_config):
            self.telemetry = Telemetry(self._telemetry_config, self.models, self.router, self._expiries, self.limiter)
            interceptors.insert(0, Recorder(self.telemetry.call))
        if self.router.routes:
            interceptors.append(Gateway(self.router, self.models, self.limiter, self._config))
        server = grpc.aio.server(interceptors=interceptors, options=_options(self._config))
        servicer = InferenceServicer(self.models, self.router, self.limiter, self._config)
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._config.reflection:
            service = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].full_name
            names = (service, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        try:
            if self.telemetry is not None:
                await self.telemetry.start()
            self.address = _bind(server, "address", self._config.address, self._credentials)
            if self._config.health_address is not None:
                self._probed = health_server(self._health)
                self.health_address = _bind(self._probed, "health_address", self._config.health_address, None)
        except ConfigError:
            await self.router.close()
            if self.telemetry is not None:
                await self.telemetry.stop()
            raise
        self._report_health()
        await server.start()
        if self._probed is not None:
            await self._probed.start()
            _log.info("health on %s", self.health_address)
        self._grpc = server
        files = [*self._identity.files, *self.router.files]
        watches = (self._watch_health(), follow(files), self._expiries.follow())
        self._watchers = [asyncio.get_running_loop().create_task(watch) for watch in watches]

    async def load(self) -> None:
        """Load all models, one after the other, and hear of those that are routed.

        Raises:
            ConfigError, LoadError: one can't be loaded.
        """
        for model in self.models.all:
            await model.load()
        await self.router.heard(_HEARD_S)
        self._report_health()

    async def death(self) -> ServedModel:
        """Wait for the first loaded model whose backend dies, which none comes back from, and return it."""
        while self._dead is None:
            await self._died.wait()
        return self._dead

    async def stop(self) -> None:
        """NOT_SERVING, drain within `drain_s`, close the backends, close the server."""
        if self._grpc is None:
            return
        self._draining = True
        for model in self.models.all:
            model.drain()
        for watcher in self._watchers:
            watcher.cancel()
        self._report_health()
        self._edge.drain()
        _log.info("draining, for at most %g s", self._config.drain_s)
        try:
            await asyncio.wait_for(self._edge.idle(), self._config.drain_s)
        except asyncio.TimeoutError:
            _log.warning("calls were still going on after %g s and are ended", self._config.drain_s)
        await asyncio.gather(*(self._close(model) for model in self.models.all))
        self._health.end()
        await asyncio.gather(
            *(server.stop(_STOP_GRACE_S) for server in (self._grpc, self._probed) if server is not None)
        )
        await self.router.close()
        await _ended_calls()
        if self.telemetry is not None:
            await self.telemetry.stop()
        _log.info("stopped")

    async def _close(self, model: ServedModel) -> None:
        try:
            await asyncio.wait_for(model.close(), self._config.close_s)
        except asyncio.TimeoutError:
            _log.warning("model %s did not close within %g s", model.name, self._config.close_s)
        except Exception:  # noqa: BLE001 - the other models are to be closed too
            _log.exception("model %s did not close", model.name)

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(_HEALTH_POLL_S)
            self._report_health()

    def _report_health(self) -> None:
        ready = {model.name: model.state is State.READY for model in self.models.all}
        all_ready = all(ready.values()) and not self._draining
        routed = {route.name: route.serving and not self._draining for route in self.router.routes}
        self._health.set({**ready, **routed, "": all_ready, SERVICE: all_ready})
        dead = next((model for model in self.models.all if model.has_died), None)
        if dead is not None and self._dead is None:
            self._dead = dead
            self._died.set()


def _check_health_names(config: PaddockConfig) -> None:
    """Refuse models that go by a name under which health tells something else."""
    computed = ((f"models.{key}", model.name) for key, model in config.models.items())
    routed = ((f"routing.models.{key}", model.name) for key, model in config.routing.models.items())
    for key, name in (*computed, *routed):
        if name in (LIVENESS, SERVICE):
            raise ConfigError(f"{key}.name: {name!r} is a name that the health service has for itself; choose another")


async def _ended_calls() -> None:
    """Let gRPC's tasks see the end of their calls: each that the loop's own end cancels would print a traceback."""
    tasks = [task for task in asyncio.all_tasks() if _name(task) == "_schedule_rpc_coro"]
    if tasks:
        await asyncio.wait(tasks, timeout=_STOP_GRACE_S)


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")


def _bind(server: grpc.aio.Server, key: str, address: str, credentials: grpc.ServerCredentials | None) -> str:
    taken = _is_taken(address)
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if taken or not port:
        raise ConfigError(
            f"server.{key}: {address} can't be bound; stop the program that uses it, or set another address"
        )
    return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"


def _is_taken(address: str) -> bool:
    """Tell whether a name's port is another program's on any address: gRPC is content with the others."""
    host, _, port = address.rpartition(":")
    if address.startswith("unix:") or port == "0":
        return False
    with suppress(socket.gaierror):  # which gRPC will say, too
        for family, kind, protocol, _, place in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM):
            try:
                with socket.socket(family, kind, protocol) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(place)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
    return False


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    """Channel arguments (grpc_types.h); times are in milliseconds there."""
    return [
        ("grpc.so_reuseport", 0),  # an occupied port is an error, not a coin toss
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        # Without this one, a client that begins and resets streams fills gRPC's queue of new calls, and others' are
        # lost. As many as may be handled, and as many again that wait for their reader, are enough for anybody.
        ("grpc.max_concurrent_streams", min(config.max_connection_rpcs, 2 * config.max_concurrent_rpcs)),
        ("grpc.server_handshake_timeout_ms", round(config.handshake_s * 1000)),
        ("grpc.max_connection_idle_ms", round(config.max_connection_idle_s * 1000)),
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.max_send_message_length", config.max_response_bytes),
        ("grpc.keepalive_time_ms", round(config.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(config.keepalive_timeout_s * 1000)),
        # Of pings that measure the way, too: one in flight is waited for in place of another, a minute by default.
        ("grpc.http2.ping_timeout_ms", round(config.keepalive_timeout_s * 1000)),
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.max_connection_age_ms", round(config.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round(config.max_connection_age_grace_s * 1000)),
    ]
