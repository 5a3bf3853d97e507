"""What is told of a process: set up, handed out call by call, and flushed at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import NoOpTracer, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.admission.limit import Limiter
from services.checkpoint import in_daemon_thread
from services.identity.expiry import Expiries
from services.model import ServedModels
from services.routing.router import Router
from services.telemetry.call import RecordedCall
from services.telemetry.config import TelemetryConfig
from services.telemetry.metric import Instruments, Observer
from services.telemetry.prometheus import MetricsServer

_SCOPE = "paddock"
_TRACE_KEYS = ("traceparent", "tracestate")

_log = logging.getLogger(__name__)
_propagator = TraceContextTextMapPropagator()


class Telemetry:
    """One server's. Nothing in it is global, so a process may have several.

    Life cycle: `start` binds the endpoint -> `call` for each call -> `stop`.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        models: ServedModels,
        router: Router,
        expiries: Expiries,
        limiter: Limiter,
    ) -> None:
        resource = Resource.create({"service.name": "paddock", "service.version": version("paddock")})
        self._config = config
        self._endpoint: MetricsServer | None = None
        self._tracing: TracerProvider | None = None
        self._tracer: Tracer = NoOpTracer()
        self._metrics = MeterProvider(self._readers(), resource, shutdown_on_exit=False)
        meter = self._metrics.get_meter(_SCOPE)
        self._instruments = Instruments(meter, config.callers)
        Observer(models, router, expiries, limiter).register(meter)
        if config.otlp_endpoint is not None:
            self._tracing = TracerProvider(ParentBasedTraceIdRatio(config.trace_ratio), resource, False)
            self._tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=config.otlp_endpoint)))
            self._tracer = self._tracing.get_tracer(_SCOPE)

    @property
    def metrics_address(self) -> str | None:
        """Where `GET /metrics` is answered, once started."""
        return None if self._endpoint is None else self._endpoint.address

    async def start(self) -> None:
        """Let Prometheus ask.

        Raises:
            ConfigError: the address can't be bound.
        """
        if self._endpoint is not None:
            await self._endpoint.start()

    def call(self, method: str, metadata: Iterable[tuple[str, Any]] | None) -> RecordedCall:
        """Begin the record of a call, within its client's trace."""
        carrier = {key: value for key, value in metadata or () if key in _TRACE_KEYS and isinstance(value, str)}
        parent = _propagator.extract(carrier)
        return RecordedCall(self._instruments, self._tracer, method, parent, self._config.record_content)

    async def stop(self) -> None:
        """Export what was not yet, within `flush_s`, and close."""
        if self._endpoint is not None:
            await self._endpoint.close()
        try:
            await asyncio.wait_for(in_daemon_thread(self._shut_down), self._config.flush_s)
        except asyncio.TimeoutError:
            _log.warning("the collector did not take the last of telemetry within %g s", self._config.flush_s)

    def _readers(self) -> list[MetricReader]:
        readers: list[MetricReader] = []
        if self._config.metrics_address is not None:
            reader = InMemoryMetricReader()
            self._endpoint = MetricsServer(self._config.metrics_address, reader)
            readers.append(reader)
        if self._config.otlp_endpoint is not None:
            exporter = OTLPMetricExporter(endpoint=self._config.otlp_endpoint)
            readers.append(PeriodicExportingMetricReader(exporter, self._config.otlp_interval_s * 1000))
        return readers

    def _shut_down(self) -> None:
        if self._tracing is not None:
            self._tracing.shutdown()
        self._metrics.shutdown(self._config.flush_s * 1000)


def wanted(config: TelemetryConfig) -> bool:
    """Tell whether anybody listens: to metrics, traces, or logs that name traces."""
    return config.metrics_address is not None or config.otlp_endpoint is not None or config.log_format == "json"
