"""The endpoint that Prometheus scrapes, and the text it is answered with.

Sources: Prometheus, "Exposition formats", text format 0.0.4; OpenTelemetry, "Prometheus and OpenMetrics Compatibility".
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
    Sum,
)

from services.errors import ConfigError

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_READ_S = 5.0
"""Seconds for a request to arrive, and for an answer to leave."""
_MAX_REQUEST_BYTES = 2**14
_MAX_CONNECTIONS = 16
_UNITS = {"s": "_seconds"}

_log = logging.getLogger(__name__)


class MetricsServer:
    """Answers `GET /metrics`, and nothing else, over HTTP/1.1.

    Attributes:
        address: where it listens, once started.
    """

    def __init__(self, address: str, reader: InMemoryMetricReader) -> None:
        self.address = address
        self._reader = reader
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            ConfigError: the address can't be bound.
        """
        host, _, port = self.address.rpartition(":")
        try:
            server = await asyncio.start_server(self._connected, host.strip("[]"), int(port), limit=_MAX_REQUEST_BYTES)
        except OSError:
            raise ConfigError(
                f"telemetry.metrics_address: {self.address} can't be bound; stop the program that uses it, "
                "or set another address"
            ) from None
        self._server = server
        self.address = f"{host}:{server.sockets[0].getsockname()[1]}"
        _log.info("metrics on http://%s/metrics", self.address)

    async def close(self) -> None:
        """Stop listening, and end all connections."""
        if self._server is not None:
            self._server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= _MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_S)
            writer.write(await self._answer(head))
            await asyncio.wait_for(writer.drain(), _READ_S)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), _READ_S)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            pass  # a client that doesn't speak HTTP, or doesn't read
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = re.split(rb"[ ?]", rest, maxsplit=1)[0]
        if path != b"/metrics":
            return _response(HTTPStatus.NOT_FOUND, "metrics are at /metrics\n")
        if method != b"GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered\n")
        async with self._turn:
            return _response(HTTPStatus.OK, await asyncio.to_thread(self._collect))

    def _collect(self) -> str:
        data = self._reader.get_metrics_data()
        resources = data.resource_metrics if data is not None else ()
        metrics = (metric for resource in resources for scope in resource.scope_metrics for metric in scope.metrics)
        return "".join(line for metric in metrics for line in _exposed(metric))


def _response(status: HTTPStatus, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {_CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _exposed(metric: Metric) -> Iterator[str]:
    """Write a metric: a counter, a gauge or a histogram."""
    name, data = _name(metric.name) + _UNITS.get(metric.unit or "", ""), metric.data
    kind = "gauge"
    if isinstance(data, Histogram):
        kind = "histogram"
    elif isinstance(data, Sum) and data.is_monotonic:
        name, kind = f"{name}_total", "counter"
    yield f"# HELP {name} {_escaped(metric.description or '')}\n# TYPE {name} {kind}\n"
    for point in data.data_points:
        if isinstance(point, HistogramDataPoint):
            yield from _histogram(name, point)
        elif isinstance(point, NumberDataPoint):
            yield _sample(name, point.attributes, point.value)


def _histogram(name: str, point: HistogramDataPoint) -> Iterator[str]:
    count = 0
    for bound, inside in zip((*point.explicit_bounds, "+Inf"), point.bucket_counts, strict=True):
        count += inside
        yield _sample(f"{name}_bucket", {**(point.attributes or {}), "le": bound}, count)
    yield _sample(f"{name}_sum", point.attributes, point.sum)
    yield _sample(f"{name}_count", point.attributes, point.count)


def _sample(name: str, attributes: Mapping[str, Any] | None, value: float) -> str:
    labels = ",".join(f'{_name(key)}="{_escaped(str(told), quoted=True)}"' for key, told in (attributes or {}).items())
    return f"{name}{{{labels}}} {value!r}\n" if labels else f"{name} {value!r}\n"


def _name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_:]", "_", name)


def _escaped(text: str, quoted: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quoted else text
