"""A failed call as a client sees it: code, message and decoded details."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.service.rig import soon

KINDS = (
    error_details_pb2.BadRequest,
    error_details_pb2.ErrorInfo,
    error_details_pb2.RetryInfo,
    error_details_pb2.RequestInfo,
)

HEADER_LIMIT = 8192
"""gRPC's default soft limit on metadata; a client may refuse a status above it."""


@dataclass
class Failure:
    """What a status said.

    Attributes:
        reason: of ErrorInfo; empty without one.
        told: metadata of ErrorInfo.
        violations: of BadRequest, by field.
        retry_s: of RetryInfo.
        request_id: of RequestInfo.
        kinds: names of the details, in order.
        size: bytes of trailing metadata and message, at most.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    told: dict[str, str]
    violations: dict[str, str]
    retry_s: float | None
    request_id: str
    kinds: list[str]
    size: int


async def failure(call: Awaitable[object]) -> Failure:
    """Await a call that must fail, and read its status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await soon(call)
    return read(caught.value)


def read(error: grpc.aio.AioRpcError) -> Failure:
    """Read a status, and check what must hold for each."""
    trailing = dict(error.trailing_metadata() or ())
    packed = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    details = [_unpacked(detail) for detail in packed.details]
    if details:
        assert packed.code == error.code().value[0]
        assert packed.message == error.details()
    by_kind = {type(detail): detail for detail in details}
    assert len(by_kind) == len(details), "two details of a kind"
    info = by_kind.get(error_details_pb2.ErrorInfo, error_details_pb2.ErrorInfo())
    if info.reason:
        assert info.domain == "paddock.v1"
    retry = by_kind.get(error_details_pb2.RetryInfo)
    message = error.details() or ""
    failed = Failure(
        code=error.code(),
        message=message,
        reason=info.reason,
        told=dict(info.metadata),
        violations={
            v.field: v.description
            for v in by_kind.get(error_details_pb2.BadRequest, error_details_pb2.BadRequest()).field_violations
        },
        retry_s=None if retry is None else retry.retry_delay.ToMilliseconds() / 1000,
        request_id=by_kind.get(error_details_pb2.RequestInfo, error_details_pb2.RequestInfo()).request_id,
        kinds=[type(detail).__name__ for detail in details],
        size=len(packed.SerializeToString()) * 4 // 3 + sum(3 if ord(c) > 126 else 1 for c in message) + 256,
    )
    if failed.retry_s is not None:
        assert 0 < failed.retry_s <= 60
    return failed


def _unpacked(detail: any_pb2.Any) -> object:
    for kind in KINDS:
        message = kind()
        if detail.Unpack(message):
            return message
    raise AssertionError(f"an unknown detail: {detail.type_url}")
