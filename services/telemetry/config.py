"""Configuration of what the server tells."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.errors import ConfigError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FORMATS = ("text", "json")
_MOST_S = 3600.0


@dataclass
class TelemetryConfig:
    """What the server tells.

    Attributes:
        log_level: DEBUG, INFO, WARNING or ERROR.
        log_format: text, or json for one object a line, with request and trace ids.
        metrics_address: host:port where `GET /metrics` answers Prometheus; None for nowhere.
        insecure: allow a metrics address that other machines reach: whoever asks is answered.
        otlp_endpoint: URL of a collector that takes OTLP over gRPC, such as http://127.0.0.1:4317; None for none.
        otlp_interval_s: seconds between two exports of metrics.
        trace_ratio: part of the calls that are traced, of those whose client didn't decide, in [0, 1].
        callers: let the count of calls say whose they are, by the names that are configured for callers.
        record_content: let traces have the text of prompts and answers.
        flush_s: seconds for what was not exported yet when the server stops.
    """

    log_level: str = "INFO"
    log_format: str = "text"
    metrics_address: str | None = None
    insecure: bool = False
    otlp_endpoint: str | None = None
    otlp_interval_s: float = 15.0
    trace_ratio: float = 0.1
    callers: bool = False
    record_content: bool = False
    flush_s: float = 5.0


def check(config: TelemetryConfig) -> None:
    """Check what types don't.

    Raises:
        ConfigError: something is wrong.
    """
    if config.log_level not in _LEVELS:
        raise ConfigError("telemetry.log_level: set it to DEBUG, INFO, WARNING or ERROR")
    if config.log_format not in _FORMATS:
        raise ConfigError("telemetry.log_format: set it to text or json")
    address, endpoint = config.metrics_address, config.otlp_endpoint
    match = None if address is None else re.fullmatch(r"\S+:(\d{1,5})", address)
    if address is not None and not (match and int(match[1]) < 2**16):
        raise ConfigError(f"telemetry.metrics_address: {address!r} is no host:port; give one such as 127.0.0.1:9464")
    if endpoint is not None and not re.fullmatch(r"https?://[^\s/?#@]+/?", endpoint):
        raise ConfigError(
            "telemetry.otlp_endpoint: is no URL of a collector; give one such as http://127.0.0.1:4317, "
            "and credentials in OTEL_EXPORTER_OTLP_HEADERS"
        )
    if not 0.0 <= config.trace_ratio <= 1.0:
        raise ConfigError(f"telemetry.trace_ratio: {config.trace_ratio:g} is not in [0, 1]; give one that is")
    for key in ("otlp_interval_s", "flush_s"):
        value = getattr(config, key)
        if not 0.0 < value <= _MOST_S:
            raise ConfigError(f"telemetry.{key}: {value:g} is not above 0 and at most {_MOST_S:g}; give one that is")
