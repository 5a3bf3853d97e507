"""What stands around the methods of `InferenceService`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

SERVICE = "paddock.v1.InferenceService"

Behavior = Callable[[Any, Any], Awaitable[Any]]
"""Of a request and its context."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How a method is handled. `parse` takes bytes; where it is None, requests stay bytes."""

    behavior: Behavior
    parse: Any
    serialize: Callable[[Any], bytes]


class ServiceInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of `InferenceService`; health and reflection pass as they are."""

    @abstractmethod
    def wrap(self, method: str, handler: Handler) -> Handler:
        """Give what handles a method, named as `GenerateStream` is, in the handler's place."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of a call."""
        found = await continuation(handler_call_details)
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if found is None or service != SERVICE:
            return found
        make, behavior = (
            (grpc.unary_stream_rpc_method_handler, found.unary_stream)
            if found.response_streaming
            else (grpc.unary_unary_rpc_method_handler, found.unary_unary)
        )
        wrapped = self.wrap(method, Handler(behavior, found.request_deserializer, found.response_serializer))
        return make(wrapped.behavior, request_deserializer=wrapped.parse, response_serializer=wrapped.serialize)
