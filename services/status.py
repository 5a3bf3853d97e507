"""The one table from domain errors to gRPC statuses with `google.rpc` details (protos/paddock/v1/error.proto)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from backends.errors import (
    ComputeError,
    ContextLengthError,
    InvalidRequestError,
    UnavailableError,
    UnsupportedError,
)
from paddock.v1.error_pb2 import ErrorReason as Reason
from services.errors import (
    CredentialInvalidError,
    CredentialMissingError,
    DeadlineTooShortError,
    DrainingError,
    FeatureUnsupportedError,
    GuardUnavailableError,
    InvalidArgumentError,
    LimitExceededError,
    ModelNotFoundError,
    ModelNotPermittedError,
    ModelUnavailableError,
    OverloadedError,
    PromptTooLongError,
    QueueFullError,
    ReaderStalledError,
    RequestTooSlowError,
    Violation,
)

DOMAIN = "paddock.v1"
DETAILS_KEY = "grpc-status-details-bin"
RETRY_ELSEWHERE_S = 1.0
"""Seconds after which a client may try again when nothing better is known."""

Code = grpc.StatusCode
Details = Iterable[Message]


def _info(reason: Reason, metadata: Mapping[str, object] | None = None) -> error_details_pb2.ErrorInfo:
    values = {key: str(value) for key, value in (metadata or {}).items()}
    return error_details_pb2.ErrorInfo(
        reason=Reason.Name(reason).removeprefix("ERROR_REASON_"), domain=DOMAIN, metadata=values
    )


def _retry(seconds: float) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(max(1, round(seconds * 1000)))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _bad_request(violations: Iterable[Violation]) -> error_details_pb2.BadRequest:
    field_violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[field_violation(field=v.field, description=v.description) for v in violations]
    )


def _too_long(error: PromptTooLongError | ContextLengthError, violation: Violation) -> Details:
    metadata = {"prompt_tokens": error.prompt_tokens, "limit": error.limit}
    return [_bad_request([violation]), _info(Reason.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, metadata)]


def _limit(error: LimitExceededError) -> Mapping[str, object]:
    of_model = {} if error.model is None else {"model": error.model}
    return {"caller": error.caller, "limit": error.limit, **of_model}


Row = tuple[type[Exception], Code, Callable[..., Details]]

TABLE: tuple[Row, ...] = (
    (PromptTooLongError, Code.INVALID_ARGUMENT, lambda e: _too_long(e, e.violations[0])),
    (InvalidArgumentError, Code.INVALID_ARGUMENT, lambda e: [_bad_request(e.violations)]),
    (ContextLengthError, Code.INVALID_ARGUMENT, lambda e: _too_long(e, Violation(e.field, e.message))),
    (InvalidRequestError, Code.INVALID_ARGUMENT, lambda e: [_bad_request([Violation(e.field, e.message)])]),
    (
        ModelNotFoundError,
        Code.NOT_FOUND,
        lambda e: [_info(Reason.ERROR_REASON_MODEL_NOT_FOUND, {"model": e.model, "served": ",".join(e.served)})],
    ),
    (
        FeatureUnsupportedError,
        Code.UNIMPLEMENTED,
        lambda e: [_info(Reason.ERROR_REASON_FEATURE_UNSUPPORTED, {"feature": e.feature, "model": e.model})],
    ),
    (
        UnsupportedError,
        Code.UNIMPLEMENTED,
        lambda e: [_info(Reason.ERROR_REASON_FEATURE_UNSUPPORTED, {"feature": e.feature})],
    ),
    (
        ModelUnavailableError,
        Code.UNAVAILABLE,
        lambda e: [_info(Reason.ERROR_REASON_MODEL_UNAVAILABLE, {"model": e.model}), _retry(e.retry_after_s)],
    ),
    (
        GuardUnavailableError,
        Code.UNAVAILABLE,
        lambda e: [
            _info(Reason.ERROR_REASON_GUARD_UNAVAILABLE, {"guard": e.guard, "model": e.model}),
            _retry(e.retry_after_s),
        ],
    ),
    (
        UnavailableError,
        Code.UNAVAILABLE,
        lambda e: [_info(Reason.ERROR_REASON_MODEL_UNAVAILABLE), _retry(RETRY_ELSEWHERE_S)],
    ),
    (
        DrainingError,
        Code.UNAVAILABLE,
        lambda e: [_info(Reason.ERROR_REASON_SERVER_DRAINING), _retry(RETRY_ELSEWHERE_S)],
    ),
    (
        OverloadedError,
        Code.RESOURCE_EXHAUSTED,
        lambda e: [_info(Reason.ERROR_REASON_SERVER_OVERLOADED), _retry(RETRY_ELSEWHERE_S)],
    ),
    (
        QueueFullError,
        Code.RESOURCE_EXHAUSTED,
        lambda e: [_info(Reason.ERROR_REASON_QUEUE_FULL, {"model": e.model}), _retry(e.retry_after_s)],
    ),
    (
        LimitExceededError,
        Code.RESOURCE_EXHAUSTED,
        lambda e: [
            _info(Reason.ERROR_REASON_LIMIT_EXCEEDED, _limit(e)),
            _retry(e.retry_after_s),
        ],
    ),
    (CredentialMissingError, Code.UNAUTHENTICATED, lambda e: [_info(Reason.ERROR_REASON_CREDENTIAL_MISSING)]),
    (CredentialInvalidError, Code.UNAUTHENTICATED, lambda e: [_info(Reason.ERROR_REASON_CREDENTIAL_INVALID)]),
    (
        ModelNotPermittedError,
        Code.PERMISSION_DENIED,
        lambda e: [_info(Reason.ERROR_REASON_MODEL_NOT_PERMITTED, {"caller": e.caller, "model": e.model})],
    ),
    (RequestTooSlowError, Code.DEADLINE_EXCEEDED, lambda e: ()),
    (DeadlineTooShortError, Code.DEADLINE_EXCEEDED, lambda e: [_info(Reason.ERROR_REASON_DEADLINE_TOO_SHORT)]),
    (ReaderStalledError, Code.CANCELLED, lambda e: [_info(Reason.ERROR_REASON_READER_STALLED)]),
    (ComputeError, Code.INTERNAL, lambda e: [_info(Reason.ERROR_REASON_COMPUTATION_FAILED)]),
)
"""Rows are tried in order, so a subclass stands before its base."""

_OWN_WORDS: dict[type[Exception], str] = {
    UnavailableError: "the model stopped answering; the request can be resumed elsewhere",
    ComputeError: "the computation of this request failed",
}
"""What clients read instead of messages that were written for operators."""

INTERNAL_MESSAGE = "internal error"


def to_status(error: Exception, request_id: str) -> tuple[Code, status_pb2.Status]:
    """Map an error to its status. What is not in the table is INTERNAL and tells nothing but the request id."""
    for kind, code, details in TABLE:
        if isinstance(error, kind):
            return code, _status(code, _OWN_WORDS.get(kind, str(error)), details(error), request_id)
    return Code.INTERNAL, _status(Code.INTERNAL, INTERNAL_MESSAGE, (), request_id)


def _status(code: Code, message: str, details: Details, request_id: str) -> status_pb2.Status:
    details = [*details, error_details_pb2.RequestInfo(request_id=request_id)]
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
