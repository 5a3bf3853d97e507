"""What an upstream's failure is to those who asked."""

from __future__ import annotations

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

_RESUMABLE_ELSEWHERE = (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED)
"""What one worker may say of resuming a stream that another began, though the client did nothing wrong."""


class UpstreamError(ServiceError):
    """An upstream ended a call with a status that is not OK.

    Attributes:
        code: of the status.
        message: of the status.
        trailing: the metadata that came with it.
        status: its details; None where they weren't the worker's own words, but the transport's.
    """

    def __init__(self, code: grpc.StatusCode, message: str, trailing: Trailing) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailing = trailing
        self.status = _status(trailing)

    @property
    def refused(self) -> bool:
        """Whether the worker doesn't know this server, or not as one that may ask: no matter of the client's."""
        return self.code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)

    @property
    def lost(self) -> bool:
        """Whether the worker, or the way to it, is gone: another one may do what was asked."""
        gone = self.code is Code.UNAVAILABLE or (self.status is None and self.code in _TRANSPORT)
        return gone or self.refused

    @property
    def resumable(self) -> bool:
        """Whether another worker may go on with a stream that this one was to resume."""
        return self.lost or self.code in _RESUMABLE_ELSEWHERE


def of_call(error: grpc.aio.AioRpcError) -> UpstreamError:
    """Read what gRPC raises."""
    return UpstreamError(error.code(), error.details() or "", trailing(error.trailing_metadata()))


def trailing(metadata: grpc.aio.Metadata | None) -> Trailing:
    """Give trailing metadata as it can be sent on."""
    return tuple((str(key), value) for key, value in metadata or ())


def _status(metadata: Trailing) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None
