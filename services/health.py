"""The standard health service (grpc.health.v1).

grpcio-health-checking has one, but there a watcher that does not read holds up every change of state, the stop
included, and a watch can't be ended but by cancelling it, for which gRPC prints a traceback.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

_MAX_WATCHES = 4096
"""At once: gateways have one per model. Nobody else needs more, and health is told to anybody."""

_Response = health_pb2.HealthCheckResponse

LIVENESS = "liveness"
"""A service that is serving for as long as the process can answer, also while it loads or drains."""

_STREAMS = 16
"""Calls at once of one connection to the port that has health alone; what probes make is one at a time."""
_MESSAGE_BYTES = 4096
_CONNECTION_AGE_MS = 600_000


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Tells which services are serving."""

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {LIVENESS: True}
        self._changed = asyncio.Event()
        self._ended = False
        self._watches = 0

    def set(self, serving: dict[str, bool]) -> None:
        """Replace what is known of all services."""
        serving = {**serving, LIVENESS: True}
        if serving != self._serving:
            self._serving = serving
            self._announce()

    def end(self) -> None:
        """End all watches."""
        self._ended = True
        self._announce()

    async def Check(  # noqa: N802 - the RPC's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """Tell the state of a service."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return self._response(request.service)

    async def Watch(  # noqa: N802 - writes by itself
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Tell the state of a service, now and whenever it changes."""
        if self._watches >= _MAX_WATCHES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch already")
        self._watches += 1
        try:
            await self._watch(request, context)
        finally:
            self._watches -= 1

    async def _watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        told = None
        while not self._ended:
            changed, response = self._changed, self._response(request.service)
            if response != told:
                await context.write(response)
                told = response
            await changed.wait()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _response(self, service: str) -> health_pb2.HealthCheckResponse:
        if service not in self._serving:
            return _Response(status=_Response.SERVICE_UNKNOWN)
        return _Response(status=_Response.SERVING if self._serving[service] else _Response.NOT_SERVING)


def health_server(servicer: HealthServicer) -> grpc.aio.Server:
    """Make a server of health and nothing else, for a port of its own."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", _STREAMS),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),
            ("grpc.max_connection_age_grace_ms", _CONNECTION_AGE_MS),
        ]
    )
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return server
