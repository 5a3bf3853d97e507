"""The outermost layer of every call: its id, who calls, admission while draining, and errors turned into statuses."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from services.errors import DrainingError, InvalidArgumentError, OverloadedError, Violation
from services.identity.identity import Identity
from services.interceptor import Behavior, Handler, ServiceInterceptor
from services.routing.error import UpstreamError
from services.status import DETAILS_KEY, to_status

REQUEST_ID_KEY = "x-request-id"

_DISCOVERY = ("ListModels", "GetModel")
"""Methods that a draining server still answers."""

_log = logging.getLogger(__name__)
_request_id: ContextVar[str] = ContextVar("request_id")


def request_id() -> str:
    """Give the id of the call that is being handled."""
    return _request_id.get()


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came, and as it reads."""

    body: bytes
    message: Any


class Edge(ServiceInterceptor):
    """Counts, identifies and names calls."""

    def __init__(self, max_calls: int, identity: Identity) -> None:
        """Take how many calls may be handled at once. A call that only waits for its reader is no longer handled."""
        self._max_calls = max_calls
        self._identity = identity
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    def drain(self) -> None:
        """Refuse new calls from now on, but those that ask how it goes."""
        self._draining = True

    async def idle(self) -> None:
        """Wait until no call is being handled."""
        await self._idle.wait()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Handle bytes, which are parsed here."""
        return Handler(self._handle(method, handler.behavior, handler.parse), None, handler.serialize)

    def _handle(self, method: str, behavior: Behavior, parse: Callable[[bytes], Any]) -> Behavior:
        told_while_draining = method in _DISCOVERY

        async def handle(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            call_id = _call_id(context)
            _request_id.set(call_id)
            await context.send_initial_metadata(((REQUEST_ID_KEY, call_id),))
            try:
                caller = self._identity.caller(context)
                if self._draining and not told_while_draining:
                    raise DrainingError
                parsed = _parsed(parse, request)
                self._identity.permit(caller, parsed.message if isinstance(parsed, RawRequest) else parsed)
                answer = await self._count(behavior, parsed, context)
                self._identity.hide(caller, answer)
                return answer
            except UpstreamError as error:  # a status already, and told as it is
                return await context.abort(error.code, error.message, error.trailing)
            except Exception as error:  # noqa: BLE001 - every error becomes a status
                code, status = to_status(error, call_id)
                if code is grpc.StatusCode.INTERNAL:
                    _log.exception("%s failed, request %s", method, call_id)
            return await context.abort(code, status.message, ((DETAILS_KEY, status.SerializeToString()),))

        return handle

    async def _count(self, behavior: Behavior, request: Any, context: Any) -> Any:
        if self._active >= self._max_calls:
            raise OverloadedError
        self._active += 1
        self._idle.clear()
        try:
            return await behavior(request, context)
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()


def _parsed(parse: Callable[[bytes], Any], request: bytes) -> Any:
    """Parse a request here rather than in gRPC, which would tell the client Python's words under UNKNOWN."""
    try:
        return parse(request)
    except DecodeError:
        raise InvalidArgumentError([Violation("request", "is no message of this method")]) from None


def _call_id(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]{1,128}", value):
            return value
    return uuid.uuid4().hex
