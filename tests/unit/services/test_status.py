"""The table of errors: every error of ours has a row, and every reason is one that error.proto lists."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from backends import errors as backend_errors
from backends.errors import (
    BackendError,
    ComputeError,
    ContextLengthError,
    InvalidRequestError,
    LoadError,
    UnfitError,
)
from paddock.v1 import error_pb2
from services import errors as service_errors
from services.errors import ServiceError, Violation
from services.status import INTERNAL_MESSAGE, TABLE, to_status

Code = grpc.StatusCode
PROTO = Path(__file__).parents[3] / "protos" / "paddock" / "v1" / "error.proto"
REASONS = {name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118

SAMPLES = [
    (service_errors.InvalidArgumentError([Violation("n", "17 is not in [1, 16]")]), Code.INVALID_ARGUMENT, None),
    (service_errors.PromptTooLongError("prompt", 9, 8), Code.INVALID_ARGUMENT, "CONTEXT_LENGTH_EXCEEDED"),
    (service_errors.ModelNotFoundError("a", ["b", "c"]), Code.NOT_FOUND, "MODEL_NOT_FOUND"),
    (service_errors.FeatureUnsupportedError("chat", "m"), Code.UNIMPLEMENTED, "FEATURE_UNSUPPORTED"),
    (service_errors.ModelUnavailableError("m", "loading", 5.0), Code.UNAVAILABLE, "MODEL_UNAVAILABLE"),
    (service_errors.GuardUnavailableError("g", "m", 1.0), Code.UNAVAILABLE, "GUARD_UNAVAILABLE"),
    (service_errors.DrainingError(), Code.UNAVAILABLE, "SERVER_DRAINING"),
    (service_errors.OverloadedError(), Code.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED"),
    (service_errors.QueueFullError("m", 0.25), Code.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    (service_errors.LimitExceededError("c", "tokens", 0.25, "m"), Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
    (service_errors.LimitExceededError("c", "requests", 0.25), Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
    (service_errors.CredentialMissingError(), Code.UNAUTHENTICATED, "CREDENTIAL_MISSING"),
    (service_errors.CredentialInvalidError(), Code.UNAUTHENTICATED, "CREDENTIAL_INVALID"),
    (service_errors.ModelNotPermittedError("ci", "m"), Code.PERMISSION_DENIED, "MODEL_NOT_PERMITTED"),
    (service_errors.RequestTooSlowError(30), Code.DEADLINE_EXCEEDED, None),
    (service_errors.DeadlineTooShortError(), Code.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT"),
    (service_errors.ReaderStalledError(30), Code.CANCELLED, "READER_STALLED"),
    (InvalidRequestError("prompt", "wrong"), Code.INVALID_ARGUMENT, None),
    (ContextLengthError(9, 8), Code.INVALID_ARGUMENT, "CONTEXT_LENGTH_EXCEEDED"),
    (backend_errors.UnsupportedError("top_k"), Code.UNIMPLEMENTED, "FEATURE_UNSUPPORTED"),
    (backend_errors.UnavailableError("engine at 10.0.0.7 is gone"), Code.UNAVAILABLE, "MODEL_UNAVAILABLE"),
    (ComputeError("CUDA error at /src/x.cu:17"), Code.INTERNAL, "COMPUTATION_FAILED"),
    (RuntimeError("secret"), Code.INTERNAL, None),
    (BackendError("secret"), Code.INTERNAL, None),
    (LoadError("secret"), Code.INTERNAL, None),
    (UnfitError("secret"), Code.INTERNAL, None),
    (ServiceError("secret"), Code.INTERNAL, None),
]


def details(status):
    """Unpack the details by kind."""
    unpacked = {}
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        unpacked[kind.__name__] = kind.FromString(packed.value)
    return unpacked


@pytest.mark.parametrize(("error", "code", "reason"), SAMPLES, ids=lambda v: type(v).__name__)
def test_an_error_has_its_code_and_reason(error, code, reason):
    got, status = to_status(error, "id-7")

    told = details(status)
    assert got is code
    assert status.code == code.value[0]
    assert told["RequestInfo"].request_id == "id-7"
    assert (told["ErrorInfo"].reason if "ErrorInfo" in told else None) == reason
    if reason:
        assert told["ErrorInfo"].domain == "paddock.v1"
        assert reason in REASONS
    assert ("BadRequest" in told) == (code is Code.INVALID_ARGUMENT)
    assert ("RetryInfo" in told) == (code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED))


def test_what_was_written_for_operators_is_not_told():
    for error, code, _ in SAMPLES:
        _, status = to_status(error, "id")
        assert "secret" not in status.message
        assert "10.0.0.7" not in status.message
        assert "/src" not in status.message
        if code is Code.INTERNAL and not isinstance(error, ComputeError):
            assert status.message == INTERNAL_MESSAGE
            assert list(details(status)) == ["RequestInfo"]


def test_every_reason_is_sent_by_some_error():
    assert {reason for _, _, reason in SAMPLES if reason} == REASONS


def test_every_reason_is_in_the_table_of_the_proto():
    table = "\n".join(line for line in PROTO.read_text().splitlines() if line.startswith("// |"))

    for reason in REASONS:
        assert reason in table


def test_every_error_of_ours_is_sampled():
    """A new error without a row would become INTERNAL unnoticed."""
    ours = {
        kind
        for module, base in ((service_errors, ServiceError), (backend_errors, BackendError))
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, base)
    }

    assert ours <= {type(error) for error, _, _ in SAMPLES}


def test_no_row_hides_another():
    for index, (kind, _, _) in enumerate(TABLE):
        assert not any(issubclass(kind, earlier) for earlier, _, _ in TABLE[:index])


def test_retry_is_never_zero():
    _, status = to_status(service_errors.QueueFullError("m", 0.0), "id")

    assert details(status)["RetryInfo"].retry_delay.ToMilliseconds() >= 1
