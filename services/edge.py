"""The outermost layer of every call: its id, who calls, its request, and errors turned into statuses."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from services.bound import check_bounds
from services.errors import DrainingError, InvalidArgumentError, OverloadedError, RequestTooSlowError, Violation
from services.identity.identity import Identity
from services.identity.origin import set_origin
from services.interceptor import Behavior, Handler, ServiceInterceptor
from services.routing.error import Trailing, UpstreamError
from services.status import DETAILS_KEY, to_status
from services.telemetry.record import call_record
from services.time_limit import time_limit

REQUEST_ID_KEY = "x-request-id"

_DISCOVERY = ("ListModels", "GetModel")
"""Methods that a draining server still answers."""

_SMALL_BYTES = 2**16
"""Of an answer in one message: it is sent whatever waits to be read."""

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


class Limits(Protocol):
    """What of a server's configuration bounds calls."""

    max_concurrent_rpcs: int
    max_unread_bytes: int
    receive_s: float


class Edge(ServiceInterceptor):
    """Counts, identifies and names calls. What a caller sends is read only once it is known who calls."""

    reads = True

    def __init__(self, limits: Limits, identity: Identity) -> None:
        """A call that only waits for its reader is no longer handled."""
        self._limits = limits
        self._identity = identity
        self._unread_bytes = 0
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
        """Handle bytes, which are read and parsed here."""
        return Handler(self._handle(method, handler.behavior, handler.parse), None, handler.serialize)

    def _handle(self, method: str, behavior: Behavior, parse: Callable[[bytes], Any]) -> Behavior:
        async def answer(context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            caller = self._identity.caller(context)
            call_record().called_by(caller.name)
            set_origin(self._identity.origin(caller, context))
            if self._draining and method not in _DISCOVERY:
                raise DrainingError
            parsed = _parsed(parse, await self._read(context))
            message = parsed.message if isinstance(parsed, RawRequest) else parsed
            check_bounds(message)
            self._identity.permit(caller, message)
            answered = await self._count(behavior, parsed, context)
            self._identity.hide(caller, answered)
            self._hold(answered)
            return answered

        # Knows nothing of the request: what gRPC raises to abort a call keeps this frame until garbage is collected.
        async def handle(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            call_id = _call_id(context)
            _request_id.set(call_id)
            await context.send_initial_metadata(((REQUEST_ID_KEY, call_id),))
            trailing: Trailing
            try:
                return await answer(context)
            except UpstreamError as error:  # a status already, and told as it is
                code, message, trailing = error.code, error.message, error.trailing
            except Exception as error:  # noqa: BLE001 - every error becomes a status
                code, status = to_status(error, call_id)
                if code is grpc.StatusCode.INTERNAL:
                    _log.exception("%s failed, request %s", method, call_id)
                message, trailing = status.message, ((DETAILS_KEY, status.SerializeToString()),)
            try:
                return await context.abort(code, message, trailing)
            except grpc.aio.InternalError:  # gRPC has ended the call by itself, as where its request is too large
                raise asyncio.CancelledError from None

        return handle

    async def _read(self, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Read the request.

        Raises:
            RequestTooSlowError: it has not arrived after `receive_s` seconds.
            InvalidArgumentError: there is none.
        """
        with time_limit(self._limits.receive_s, RequestTooSlowError(self._limits.receive_s)):
            body = await context.read()
        if not isinstance(body, bytes):
            raise InvalidArgumentError([Violation("request", "is missing")])
        return body

    def _hold(self, answer: Any) -> None:
        """Count a large answer until its reader has it: nothing but their number bounds how long they take.

        Raises:
            OverloadedError: too much waits to be read.
        """
        size = 0 if answer is None else len(answer) if isinstance(answer, bytes) else answer.ByteSize()
        task = asyncio.current_task()
        if size <= _SMALL_BYTES or task is None:
            return
        if self._unread_bytes + size > self._limits.max_unread_bytes:
            raise OverloadedError
        self._unread_bytes += size

        def read(_: object) -> None:
            self._unread_bytes -= size

        task.add_done_callback(read)

    async def _count(self, behavior: Behavior, request: Any, context: Any) -> Any:
        if self._active >= self._limits.max_concurrent_rpcs:
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
