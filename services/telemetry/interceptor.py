"""Around the edge: each call's record, begun and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio

from services.edge import request_id
from services.interceptor import Behavior, Handler, ServiceInterceptor
from services.telemetry.call import RecordedCall
from services.telemetry.record import set_call_record


class Recorder(ServiceInterceptor):
    """The outermost interceptor."""

    def __init__(self, begin: Callable[[str, Any], RecordedCall]) -> None:
        """Take what makes the record of a call, of its method's name and its metadata."""
        self._begin = begin

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Record each call of a method."""
        return replace(handler, behavior=self._record(handler.behavior, method))

    def _record(self, behavior: Behavior, method: str) -> Behavior:
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
