"""What an upstream's failure is to those who asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from services.errors import ServiceError
from services.status import DETAILS_KEY

Code = grpc.StatusCode
Trailing = Sequence[tuple[str, str | bytes]]

_TRANSPORT = (Code.INTERNAL, Code.UNKNOWN, Code.CANCELLED)
"""Codes that gRPC makes of broken connections beside UNAVAILABLE. A worker's own status has details."""

_MAX_TRAILING = 7680
"""Bytes of a worker's status and trailing metadata: clients may refuse more than 8 KiB, and some is our own."""
_LEAST_MESSAGE = 100
_ENTRY_BYTES = 32
_KEY = re.compile(r"[a-z0-9_.-]+")
_TEXT = re.compile(r"[ -~]*")

_RESUMABLE_ELSEWHERE = (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED)
"""What one worker may say of resuming a stream that another began, though the client did nothing wrong."""


class UpstreamError(ServiceError):
    """An upstream ended a call with a status that is not OK.

    Attributes:
        code: of the status.
        message: of the status.
        trailing: the metadata that came with it.
        status: its details; None where they weren't the worker's own words, but the transport's.
        seen: the worker had the call: it says so, by initial metadata, before it does anything with it.
    """

    def __init__(self, code: grpc.StatusCode, message: str, trailing: Trailing, *, seen: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailing = trailing
        self.seen = seen
        self.status = _status(trailing)

    @property
    def refused(self) -> bool:
        """Whether the worker doesn't know this server, or not as one that may ask: no matter of the client's."""
        return self.code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)

    @property
    def full(self) -> bool:
        """Whether the worker has too much to do: another one may have less."""
        return self.code is Code.RESOURCE_EXHAUSTED and self.status is not None

    @property
    def lost(self) -> bool:
        """Whether the worker, or the way to it, is gone: another one may do what was asked."""
        gone = self.code is Code.UNAVAILABLE or (self.status is None and self.code in _TRANSPORT)
        return gone or self.refused

    @property
    def resumable(self) -> bool:
        """Whether another worker may go on with a stream that this one was to resume."""
        return self.lost or self.code in _RESUMABLE_ELSEWHERE


class MalformedError(UpstreamError):
    """An upstream sent what no worker sends. To those who asked it is lost."""

    def __init__(self) -> None:
        super().__init__(Code.INTERNAL, "what it sent can't be read", ())


def of_call(error: grpc.aio.AioRpcError) -> UpstreamError:
    """Read what gRPC raises."""
    told = trailing(error.trailing_metadata())
    left = _MAX_TRAILING - sum(_size(*entry) for entry in told)
    message = (error.details() or "")[: max(_LEAST_MESSAGE, left // 3)]
    read = UpstreamError(error.code(), message, told, seen=bool(error.initial_metadata()))
    if read.status is None and read.code is Code.RESOURCE_EXHAUSTED:  # gRPC's words, which list what came
        read.message = "more than is taken between this server and its workers"
    return read


def trailing(metadata: grpc.aio.Metadata | None) -> Trailing:
    """Give trailing metadata as it can be sent on: what gRPC would refuse to send is left out, and what is too much."""
    sent: list[tuple[str, str | bytes]] = []
    left = _MAX_TRAILING
    for key, value in sorted(metadata or (), key=lambda entry: entry[0] != DETAILS_KEY):
        left -= _size(str(key), value)
        if left >= 0 and _can_be_sent(str(key), value):
            sent.append((str(key), value))
    return tuple(sent)


def _size(key: str, value: str | bytes) -> int:
    return len(key) + len(value) * (4 if isinstance(value, bytes) else 3) // 3 + _ENTRY_BYTES


def _can_be_sent(key: str, value: str | bytes) -> bool:
    if key == DETAILS_KEY:
        return _status([(key, value)]) is not None
    if key.startswith("grpc-"):
        return False
    text = isinstance(value, str) and not key.endswith("-bin") and bool(_TEXT.fullmatch(value))
    return bool(_KEY.fullmatch(key)) and (text or (isinstance(value, bytes) and key.endswith("-bin")))


def _status(metadata: Trailing) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None
