"""Logs as JSON, configuration of telemetry, and calls that nobody listens to."""

from __future__ import annotations

import json
import logging
import math
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from services import config as configs
from services.edge import _request_id
from services.errors import ConfigError
from services.telemetry.config import TelemetryConfig, check
from services.telemetry.log import JsonFormatter, TextFormatter, quiet
from services.telemetry.record import CallRecord, call_record, set_call_record
from services.telemetry.telemetry import wanted

WRONG = [
    ({"log_level": "LOUD"}, "telemetry.log_level"),
    ({"log_format": "xml"}, "telemetry.log_format"),
    ({"metrics_address": "9464"}, "telemetry.metrics_address"),
    ({"metrics_address": "127.0.0.1:99999"}, "telemetry.metrics_address"),
    ({"otlp_endpoint": "127.0.0.1:4317"}, "telemetry.otlp_endpoint"),
    ({"otlp_endpoint": "http://user:word@host:4317"}, "OTEL_EXPORTER_OTLP_HEADERS"),
    ({"trace_ratio": 1.5}, "telemetry.trace_ratio"),
    ({"trace_ratio": math.nan}, "telemetry.trace_ratio"),
    ({"otlp_interval_s": 0.0}, "telemetry.otlp_interval_s"),
    ({"flush_s": math.inf}, "telemetry.flush_s"),
]


@pytest.mark.parametrize(("settings", "named"), WRONG)
def test_a_mistake_is_named(settings, named):
    with pytest.raises(ConfigError) as raised:
        check(TelemetryConfig(**settings))
    assert named in str(raised.value)
    assert "word" not in str(raised.value)


def test_metrics_are_for_this_machine_unless_that_is_asked_for():
    others = "telemetry.metrics_address=0.0.0.0:9464"
    with pytest.raises(ConfigError, match=r"telemetry\.insecure=true"):
        configs.load([others])
    assert wanted(configs.load([others, "telemetry.insecure=true"]).telemetry)


def test_nobody_listens_unless_asked():
    assert not wanted(TelemetryConfig())
    assert type(call_record()) is CallRecord


def written(message, *arguments, exc_info=None):
    """Format a record, and read it again."""
    record = logging.LogRecord("services.x", logging.WARNING, __file__, 1, message, arguments, exc_info)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_a_log_is_one_object_a_line():
    told = written('two\nlines and a "%s" \x1b[0m', "quote")
    assert told["message"] == 'two\nlines and a "quote" \x1b[0m'
    assert (told["level"], told["logger"]) == ("WARNING", "services.x")
    assert told["time"].endswith("Z")
    assert not {"request_id", "trace_id", "exception"} & told.keys()


def test_a_log_of_a_call_names_it_and_its_trace():
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("call")

    class Spanned(CallRecord):
        """A call with a span."""

        @property
        def span(self):
            return span

    token = _request_id.set("an-id")
    before = call_record()
    set_call_record(Spanned())
    try:
        told = written("said")
    finally:
        _request_id.reset(token)
        set_call_record(before)
    assert told["request_id"] == "an-id"
    assert told["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert told["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_a_log_has_the_traceback():
    try:
        raise ValueError("broken")
    except ValueError:
        told = written("failed", exc_info=sys.exc_info())
    assert told["exception"].endswith("ValueError: broken")


def test_a_text_log_is_a_line_whatever_others_wrote():
    record = logging.LogRecord(
        "services.x", logging.INFO, __file__, 1, "it says: %s", ("a\n2026 ERROR b\x1b[0m\r",), None
    )
    line = TextFormatter("%(levelname)s %(message)s").format(record)
    assert line == r"INFO it says: a\n2026 ERROR b\x1b[0m\r"


def test_what_clients_make_grpc_log_is_left_out():
    def shown(name, error):
        return quiet(logging.LogRecord(name, logging.ERROR, __file__, 1, "x", (), (type(error), error, None)))

    error = UnicodeDecodeError("utf-8", b"Bearer \xff", 7, 8, "invalid start byte")
    assert not shown("grpc._cython.cygrpc", error)
    assert shown("services.x", error)
    assert shown("grpc._cython.cygrpc", ValueError())
