"""Logs: text, or one JSON object a line."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import re
import sys

from opentelemetry.trace import format_span_id, format_trace_id

from services.edge import request_id
from services.telemetry.config import TelemetryConfig
from services.telemetry.record import call_record

_CLIENTS_DOING = ("UnicodeDecodeError", "ExecuteBatchError")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def quiet(record: logging.LogRecord) -> bool:
    """Leave out what clients make gRPC log at will, with tracebacks, and with what they sent, which may be a key.

    That are paths and metadata that are no text, and answers whose clients are gone.
    """
    raised = record.exc_info[0] if record.exc_info else None
    return not (record.name.startswith("grpc") and raised is not None and raised.__name__ in _CLIENTS_DOING)


class TextFormatter(logging.Formatter):
    """A line, whatever others wrote into a message: a record has as many lines as its traceback, and one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Write all but a traceback."""
        return _CONTROL.sub(lambda match: repr(match[0])[1:-1], super().formatMessage(record))


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
    logging.basicConfig(stream=sys.stderr, level=config.log_level)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter() if config.log_format == "json" else TextFormatter(_TEXT))
        handler.addFilter(quiet)
