"""Around the edge: each call's record, begun and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from services.edge import SERVICE, request_id
from services.telemetry.call import RecordedCall
from services.telemetry.record import set_call_record

_Behavior = Callable[[Any, Any], Awaitable[Any]]


class Recorder(grpc.aio.ServerInterceptor):
    """The outermost interceptor. Health and reflection pass as they are."""

    def __init__(self, begin: Callable[[str, Any], RecordedCall]) -> None:
        """Take what makes the record of a call, of its method's name and its metadata."""
        self._begin = begin

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of a call."""
        handler = await continuation(handler_call_details)
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if handler is None or service != SERVICE:
            return handler
        make, behavior = (
            (grpc.unary_stream_rpc_method_handler, handler.unary_stream)
            if handler.response_streaming
            else (grpc.unary_unary_rpc_method_handler, handler.unary_unary)
        )
        return make(
            self._wrap(behavior, method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _wrap(self, behavior: _Behavior, method: str) -> _Behavior:
        async def handle(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            record = self._begin(method, context.invocation_metadata())
            set_call_record(record)
            code = grpc.StatusCode.UNKNOWN
            try:
                answer = await behavior(request, context)
                code = grpc.StatusCode.OK
            except asyncio.CancelledError:  # its client's word, or its deadline's
                remaining: float | None = context.time_remaining()
                in_time = remaining is None or remaining > 0
                code = grpc.StatusCode.CANCELLED if in_time else grpc.StatusCode.DEADLINE_EXCEEDED
                raise
            finally:
                set_code: Any = context.code()  # by the edge; None where nobody did
                record.end((set_code or code).name, _request_id())
            return answer

        return handle


def _request_id() -> str | None:
    try:
        return request_id()
    except LookupError:
        return None
