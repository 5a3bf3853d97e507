"""What stands around the methods of `InferenceService`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

SERVICE = "paddock.v1.InferenceService"

_MAKERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""By whether the request and the response are streams, as far as gRPC knows."""

Behavior = Callable[[Any, Any], Awaitable[Any]]
"""Of a request and its context."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How a method is handled. `parse` takes bytes; where it is None, requests stay bytes."""

    behavior: Behavior
    parse: Any
    serialize: Callable[[Any], bytes]


class ServiceInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of `InferenceService`; health and reflection pass as they are.

    Attributes:
        reads: its handlers read the request from their context, when they want it, and are given none.
    """

    reads = False

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
        make = _MAKERS[found.request_streaming or self.reads, found.response_streaming]
        behavior = found.unary_unary or found.unary_stream or found.stream_unary or found.stream_stream
        wrapped = self.wrap(method, Handler(behavior, found.request_deserializer, found.response_serializer))
        return make(wrapped.behavior, request_deserializer=wrapped.parse, response_serializer=wrapped.serialize)
