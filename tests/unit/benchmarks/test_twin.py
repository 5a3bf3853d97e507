"""What counts as the same stream, and what is told of one that failed."""

from __future__ import annotations

import json

import grpc
from google.rpc import error_details_pb2, status_pb2

from benchmarks import failure, twin
from paddock.v1 import generate_pb2


def answer(*logprobs):
    """Make an answer whose tokens have log probabilities, or none."""
    return generate_pb2.GenerateResponse(outputs=[{"tokens": [{"id": 1, "logprob": each} for each in logprobs]}])


def test_rounding_is_no_difference_and_anything_more_is():
    expected = answer(-1.0, None, -2.0)
    near = answer(-1.00001, None, -2.0)
    twin.settle(near, expected)
    assert near == expected
    for other in (answer(-1.001, None, -2.0), answer(-1.0, 0.0, -2.0), answer(-1.0, None), answer(-1.0, -1.0, -2.0)):
        twin.settle(other, expected)
        assert other != expected


def test_what_a_client_was_told_is_told_with_its_reason():
    status = status_pb2.Status()
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id="x"))
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="MODEL_UNAVAILABLE"))
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    nothing = grpc.aio.Metadata()
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, trailing, details="gone")
    assert failure.told(error) == "UNAVAILABLE MODEL_UNAVAILABLE: gone"
    error = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, details="broken")
    assert failure.told(error) == "INTERNAL: broken"
    assert failure.told(twin.DisorderError("no end")) == "DisorderError: no end"


def test_a_log_is_read_for_one_request_alone():
    lines = [json.dumps({"time": str(n), "message": f"m{n}", "request_id": f"r-{n}"}) for n in (1, 11, 1)]
    assert list(failure.logged([*lines, "no JSON"], "r-1")) == ["1 m1", "1 m1"]
