"""Logs: text, or one JSON object a line."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sys

from opentelemetry.trace import format_span_id, format_trace_id

from services.edge import request_id
from services.telemetry.config import TelemetryConfig
from services.telemetry.record import call_record

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message; of a call, its request id and trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, in the context in which it was made."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        told = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_of_call(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def _of_call() -> dict[str, str]:
    told = {}
    with contextlib.suppress(LookupError):
        told["request_id"] = request_id()
    if (span := call_record().span.get_span_context()).is_valid:
        told["trace_id"] = format_trace_id(span.trace_id)
        told["span_id"] = format_span_id(span.span_id)
    return told


def log_to_stderr(config: TelemetryConfig) -> None:
    """Let logs go to standard error."""
    logging.basicConfig(stream=sys.stderr, level=config.log_level, format=_TEXT)
    if config.log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())
