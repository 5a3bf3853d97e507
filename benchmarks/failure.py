"""Why a stream failed: what its client was told, and what the gateway's log says of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import grpc.aio
from google.rpc import error_details_pb2, status_pb2

_DETAILS = "grpc-status-details-bin"


def told(error: Exception) -> str:
    """Give what a client was told: code, reason, and message."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return f"{type(error).__name__}: {error}"
    packed = dict(error.trailing_metadata() or ()).get(_DETAILS, b"")
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(packed if isinstance(packed, bytes) else b"").details:
        detail.Unpack(info)
    return " ".join(filter(None, (error.code().name, info.reason))) + f": {error.details()}"


def logged(lines: Iterable[str], request_id: str) -> Iterator[str]:
    """Give the lines of a log in JSON that a request wrote, with their times."""
    for line in lines:
        if f'"request_id": "{request_id}"' in line:
            read = json.loads(line)
            yield f"{read['time']} {read['message']}"
