"""The record of one call that somebody listens to: its metrics, and its span with what happened in it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from google.protobuf.message import DecodeError, Message
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from paddock.v1 import generate_pb2
from services.event import CallDelta, Completed, Delta, Event, Finished
from services.telemetry import metric
from services.telemetry.metric import Instruments
from services.telemetry.record import CallRecord, GuardRecord

PROVIDER = "paddock"

_INLINE_BYTES = 2**15
"""A message larger than this isn't read for its first token: that takes too long."""

_CONTENT_CHARS = 2**15
"""Of a prompt and of each answer, where traces have them."""

_SERVER_ERRORS = ("UNKNOWN", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED")
"""Codes that make a server's span an error, by the conventions for gRPC."""

_TOKENS = ("token_delta", "tool_call_delta")

_propagator = TraceContextTextMapPropagator()


class RecordedCall(CallRecord):
    """From a call's arrival to its end."""

    listens = True

    def __init__(
        self, instruments: Instruments, tracer: Tracer, method: str, parent: Context, record_content: bool
    ) -> None:
        """Take the method's name within the service, and the client's trace."""
        self._instruments = instruments
        self._tracer = tracer
        self._method = method
        self._record_content = record_content
        self._arrived = time.monotonic()
        self._epoch_ns = time.time_ns()
        self._waited_s = 0.0
        self._admitted: float | None = None
        self._queue_s = 0.0
        self._first: float | None = None
        self._caller: str | None = None
        self._model: str | None = None
        self._operation: str | None = None
        self._outputs = 1
        self._given = 0
        """Tokens that the client had before."""
        self._resumes = 0
        self._usage: tuple[int, int, int] | None = None
        """Tokens read, tokens written, and how many of those read were cached."""
        self._reasons: list[str] = []
        self._answers: dict[int, str] = {}
        self._span = tracer.start_span(f"paddock.v1.InferenceService/{method}", parent, SpanKind.SERVER)
        if self._span.is_recording():
            self._span.set_attributes({"rpc.system.name": "grpc", metric.METHOD: method})
        self._trace: Sequence[tuple[str, str]] | None = None
        self.begun = False

    @property
    def span(self) -> Span:
        """See `CallRecord.span`."""
        return self._span

    @property
    def trace(self) -> Sequence[tuple[str, str]] | None:
        """See `CallRecord.trace`."""
        if self._trace is None and self._span.get_span_context().is_valid:
            carrier: dict[str, str] = {}
            _propagator.inject(carrier, set_span_in_context(self._span))
            self._trace = tuple(carrier.items())
        return self._trace

    def called_by(self, caller: str) -> None:
        """See `CallRecord.called_by`."""
        self._caller = self._instruments.caller(caller)

    def concerns(self, model: str, request: Message) -> None:
        """See `CallRecord.concerns`."""
        self._model = model
        self._set({metric.MODEL: model})
        if isinstance(request, generate_pb2.GenerateRequest):
            self._operation = "chat" if request.HasField("chat") else "text_completion"
            finished = sum(given.HasField("finished") for given in request.continuations)
            self._outputs = max(1, max(1, request.n) - finished)
            self._given = sum(_completion_tokens(given) for given in request.continuations)
            self._describe(request)

    def _describe(self, request: generate_pb2.GenerateRequest) -> None:
        if not self._span.is_recording():
            return
        told: dict[str, AttributeValue] = {
            metric.OPERATION: self._operation or "",
            metric.PROVIDER: PROVIDER,
            "gen_ai.request.choice.count": max(1, request.n),
        }
        if request.HasField("max_tokens"):
            told["gen_ai.request.max_tokens"] = request.max_tokens
        if request.sampling.HasField("temperature"):
            told["gen_ai.request.temperature"] = request.sampling.temperature
        if request.sampling.HasField("seed"):
            told["gen_ai.request.seed"] = str(request.sampling.seed)  # an unsigned one may not fit OTLP's signed int
        if self._record_content:
            told["gen_ai.input.messages"] = _input(request)
        self._set(told)

    def waited(self, model: str, seconds: float) -> None:
        """See `CallRecord.waited`."""
        self._instruments.admission.record(seconds, {metric.MODEL: model})
        if model == self._model:
            self._waited_s = seconds

    def admitted(self) -> None:
        """See `CallRecord.admitted`."""
        self._admitted = time.monotonic()
        self._span.add_event("admitted")

    def queued(self, seconds: float | None) -> None:
        """See `CallRecord.queued`."""
        if seconds is not None and self._model is not None:
            self._instruments.queue.record(seconds, {metric.MODEL: self._model})
            self._queue_s = max(self._queue_s, seconds)

    def events(self, batch: Sequence[Event]) -> None:
        """See `CallRecord.events`."""
        if not self.begun and any(isinstance(event, (Delta, CallDelta)) for event in batch):
            self._begin()
        for event in batch:
            if isinstance(event, Finished):
                self._reasons.append(event.reason.value)
            elif isinstance(event, Completed):
                usage = event.usage
                self._used(usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens or 0)
            elif self._record_content and isinstance(event, (Delta, CallDelta)):
                piece = event.piece.text if isinstance(event, Delta) else event.piece.arguments
                self._answers[event.index] = (self._answers.get(event.index, "") + piece)[:_CONTENT_CHARS]

    def attempted(self, pool: str, upstream: str) -> None:
        """See `CallRecord.attempted`."""
        self._span.add_event("attempt", {metric.POOL: pool, metric.UPSTREAM: upstream})

    def resumed(self) -> None:
        """See `CallRecord.resumed`."""
        self._resumes += 1
        self._span.add_event("resume")

    def relayed(self, message: bytes) -> None:
        """See `CallRecord.relayed`."""
        if not self.begun and len(message) > _INLINE_BYTES:
            self._begin()
            return
        try:
            events = generate_pb2.GenerateStreamResponse.FromString(message).events
        except DecodeError:
            return
        if not self.begun and any(event.WhichOneof("event") in _TOKENS for event in events):
            self._begin()
        if events and events[-1].HasField("completed"):
            self._take(events[-1].completed.usage)

    def replied(self, method: str, body: bytes) -> None:
        """See `CallRecord.replied`."""
        if method == "Generate":
            with suppress(DecodeError):
                self._take(generate_pb2.GenerateResponse.FromString(body).usage)

    @contextmanager
    def guard(self, guard: str, model: str, subject: str) -> Iterator[GuardRecord]:
        """See `CallRecord.guard`."""
        record, started = GuardRecord(), time.monotonic()
        try:
            yield record
        finally:
            ended = time.monotonic()
            told = {metric.GUARD: guard, metric.SUBJECT: subject, metric.DECISION: record.decision}
            self._instruments.guard.record(ended - started, {metric.MODEL: model, **told})
            self._step("guard", started, ended, told)

    def end(self, code: str, request_id: str | None) -> None:
        """Tell all of it.

        Args:
            code: of the call's status, such as OK.
            request_id: the call's, where it got that far.
        """
        ended = time.monotonic()
        labels = {} if self._model is None else {metric.MODEL: self._model}
        caller = {} if self._caller is None else {metric.CALLER: self._caller}
        self._instruments.requests.add(1, {**labels, **caller, metric.METHOD: self._method, metric.CODE: code})
        if self._operation is not None:
            generation = {**labels, metric.OPERATION: self._operation, metric.PROVIDER: PROVIDER}
            self._count(generation, code, ended)
        if self._span.is_recording():
            self._end_span(code, request_id, ended)

    def _count(self, labels: dict[str, str], code: str, ended: float) -> None:
        instruments = self._instruments
        error = {} if code == "OK" else {metric.ERROR: code}
        instruments.duration.record(ended - self._arrived, {**labels, **error})
        if self._usage is None:
            return
        read, written, cached = self._usage
        instruments.tokens.record(read, {**labels, metric.TOKEN_TYPE: "input"})
        instruments.tokens.record(written, {**labels, metric.TOKEN_TYPE: "output"})
        if cached:
            instruments.cached.add(cached, {metric.MODEL: labels[metric.MODEL]})
        later = written / self._outputs - 1
        if self._first is not None and later > 0:
            instruments.per_token.record((ended - self._first) / later, labels)

    def _end_span(self, code: str, request_id: str | None, ended: float) -> None:
        if self._admitted is not None:
            begun = self._first or ended
            computed = min(self._admitted + self._queue_s, begun)
            if self._waited_s or self._queue_s:
                self._step("queue", self._admitted - self._waited_s, computed)
            self._step("prefill", computed, begun)
        if self._first is not None:
            self._step("decode", self._first, ended)
        self._set({metric.CODE: code})
        if request_id is not None:
            self._set({"paddock.request.id": request_id})
        if self._usage is not None:
            self._set({"gen_ai.usage.input_tokens": self._usage[0], "gen_ai.usage.output_tokens": self._usage[1]})
        if self._reasons:
            self._set({"gen_ai.response.finish_reasons": self._reasons})
        if self._answers:
            answers = [self._answers[index] for index in sorted(self._answers)]
            self._set({"gen_ai.output.messages": json.dumps(answers, ensure_ascii=False)})
        if code in _SERVER_ERRORS:
            self._set({metric.ERROR: code})
            self._span.set_status(StatusCode.ERROR)
        self._span.end(self._ns(ended))

    def _begin(self) -> None:
        self.begun = True
        self._first = time.monotonic()
        if self._operation is not None and self._model is not None:
            labels = {metric.MODEL: self._model, metric.OPERATION: self._operation, metric.PROVIDER: PROVIDER}
            self._instruments.first_token.record(self._first - self._arrived, labels)

    def _take(self, usage: generate_pb2.Usage) -> None:
        self._used(usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens)

    def _used(self, read: int, written: int, cached: int) -> None:
        self._usage = read, max(0, written - self._given), cached

    def _set(self, attributes: dict[str, AttributeValue]) -> None:
        if self._span.is_recording():
            self._span.set_attributes(attributes)

    def _step(self, name: str, begin: float, end: float, attributes: dict[str, str] | None = None) -> None:
        """Tell of a part of the call that has ended."""
        if self._span.is_recording():
            context = set_span_in_context(self._span)
            step = self._tracer.start_span(name, context, attributes=attributes, start_time=self._ns(begin))
            step.end(self._ns(end))

    def _ns(self, moment: float) -> int:
        return self._epoch_ns + round((moment - self._arrived) * 1e9)


def _completion_tokens(given: generate_pb2.Continuation) -> int:
    return given.finished.completion_tokens if given.HasField("finished") else len(given.token_ids)


def _input(request: generate_pb2.GenerateRequest) -> str:
    """Give the text of a request: of a conversation, each message's."""
    if not request.HasField("chat"):
        return request.prompt[:_CONTENT_CHARS]
    texts = ["".join(part.text for part in message.content)[:_CONTENT_CHARS] for message in request.chat.messages]
    return json.dumps(texts, ensure_ascii=False)[:_CONTENT_CHARS]
