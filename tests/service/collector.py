"""A collector that takes OTLP over gRPC, on a port of its own in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc


class Collector(metrics_grpc.MetricsServiceServicer, traces_grpc.TraceServiceServicer):
    """Keeps what arrives.

    Attributes:
        endpoint: its URL.
        spans: in the order of their arrival.
        resources: attributes of what sent them.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self._metrics: dict[str, Any] = {}

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of both RPCs
        """Take an export of either kind."""
        if isinstance(request, traces.ExportTraceServiceRequest):
            for resource in request.resource_spans:
                self.resources.append(attributes(resource.resource))
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
            return traces.ExportTraceServiceResponse()
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self._metrics.update((metric.name, metric) for metric in scope.metrics)
        return metrics.ExportMetricsServiceResponse()

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Give the points of a metric as they came last, each with its attributes."""
        metric = self._metrics[name]
        return [(attributes(point), point) for point in getattr(metric, metric.WhichOneof("data")).data_points]

    def unit(self, name: str) -> str:
        """Give a metric's unit."""
        return str(self._metrics[name].unit)

    def span(self, name: str, **wanted: Any) -> Any:
        """Give the one span of a name that has these attributes; dots are written __."""
        told = {key.replace("__", "."): value for key, value in wanted.items()}
        (span,) = [s for s in self.spans if s.name == name and told.items() <= attributes(s).items()]
        return span


def attributes(told: Any) -> dict[str, Any]:
    """Read attributes."""
    return {pair.key: _value(pair.value) for pair in told.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(inner) for inner in value.array_value.values]
    return getattr(value, kind)


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector."""
    collector = Collector()
    server = grpc.aio.server()
    metrics_grpc.add_MetricsServiceServicer_to_server(collector, server)
    traces_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)
