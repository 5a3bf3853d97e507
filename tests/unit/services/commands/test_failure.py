"""What a person reads when a call fails: one sentence with the remedy, made from the details of the real table."""

from __future__ import annotations

import socket
from concurrent import futures
from typing import NamedTuple

import grpc
import pytest

from backends.errors import ComputeError
from services import client as client_module
from services import errors
from services.client import Client, Details, read_details
from tests.unit.services.commands.fake_server import HANG

Violation = errors.Violation


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (
            errors.InvalidArgumentError(
                [Violation("sampling.top_p", "7 is not in (0, 1]"), Violation("stop.strings[0]", "is empty")]
            ),
            2,
            "the server refused --top-p (sampling.top_p): 7 is not in (0, 1]; --stop (stop.strings[0]): is empty",
        ),
        (
            errors.InvalidArgumentError([Violation("chat.messages[0].content", "is empty")]),
            2,
            "the server refused chat.messages[0].content: is empty",
        ),
        (
            errors.InvalidArgumentError([Violation("model", "name one of a, b")]),
            2,
            "the server refused --model (model): name one of a, b",
        ),
        (
            errors.PromptTooLongError("chat", 9000, 8192),
            2,
            "the prompt has 9000 tokens and the model takes 8192: shorten it",
        ),
        (
            errors.ModelNotFoundError("x", ["a", "b"]),
            2,
            "no model 'x' is served here: choose with --model from a, b",
        ),
        (errors.FeatureUnsupportedError("logprobs", "m"), 1, "model 'm' does not support logprobs"),
        (
            errors.ModelUnavailableError("m", "loading", 2),
            1,
            "model 'm' is loading: try again in 2 s",
        ),
        (errors.DrainingError(), 1, "the server is shutting down: try again in 1 s"),
        (errors.QueueFullError("m", 0.25), 1, "model 'm' has too many requests waiting: try again in 0.25 s"),
        (
            errors.CredentialMissingError(),
            2,
            "the server wants to know who calls: set PADDOCK_API_KEY, or give --tls-cert and --tls-key",
        ),
        (
            errors.CredentialInvalidError(),
            2,
            "the server does not know this key or certificate: is PADDOCK_API_KEY right?",
        ),
        (errors.ModelNotPermittedError("ci", "m"), 2, "ci may not ask model 'm': choose with --model"),
        (
            errors.DeadlineTooShortError(),
            1,
            "the time given was too short for a first token: raise --timeout",
        ),
        (
            RuntimeError("secret"),
            1,
            "the server at {address} failed with INTERNAL: internal error (its log has more under request id req-1)",
        ),
        (
            KeyError("no details"),
            1,
            "the server at {address} failed with INTERNAL: internal error",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_the_server(server, run, error, code, sentence):
    server.scripts.append([error])
    result = run("generate", "hi", "--raw")
    assert (result.code, result.out) == (code, "")
    assert result.err == f"paddock generate: {sentence.format(address=server.address)}\n"


def test_a_failed_computation_names_the_request(server, run):
    server.scripts.append([ComputeError("CUDA error 700 at 0xdead")])
    assert run("generate", "hi").err.endswith("(its log has more under request id req-1)\n")


def test_unary_calls_fail_alike(server, run):
    server.responses["GetModel"] = errors.ModelNotFoundError("x\x1b[31m", [])
    result = run("models", "x")
    assert result.err == "paddock models: no model 'x\\x1b[31m' is served here: choose with --model from none\n"


def test_nobody_at_a_local_address(run):
    with socket.socket() as bound:  # not listening: whoever connects is refused
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        result = run("models", "--address", address)
    assert result.code == 1
    assert result.err == f"paddock models: no server at {address}; start one with: make run (or paddock serve)\n"


def test_a_server_that_is_not_ours(run):
    other = grpc.server(futures.ThreadPoolExecutor(1))
    address = f"127.0.0.1:{other.add_insecure_port('127.0.0.1:0')}"
    other.start()
    result = run("models", "--address", address)
    other.stop(None).wait()
    assert result.code == 1
    assert result.err == f"paddock models: the server at {address} does not speak paddock.v1: is --address right?\n"


def test_no_answer_in_time(server, run):
    server.scripts.append([HANG])
    result = run("generate", "hi", "--timeout", "0.05")
    assert result.code == 1
    assert result.err == f"paddock generate: no answer from {server.address} within 0.05 s: raise --timeout\n"
    assert server.cancelled.wait(timeout=10)


class Failure(grpc.RpcError):
    """A failure that a server in this process can't bring about."""

    def __init__(self, code, message, details=b""):
        self._code, self._message, self._details = code, message, details

    def code(self):
        return self._code

    def details(self):
        return self._message

    def trailing_metadata(self):
        return [Datum("grpc-status-details-bin", self._details)] if self._details else None


class Datum(NamedTuple):
    key: str
    value: bytes


Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("failure", "answering", "sentence"),
    [
        (
            Failure(Code.UNAVAILABLE, "Socket closed"),
            True,
            "the connection to gpu:1 was lost in the middle of the answer",
        ),
        (
            Failure(Code.UNAVAILABLE, "no healthy upstream"),
            False,
            "the server at gpu:1 is unavailable: no healthy upstream",
        ),
        (Failure(Code.UNAVAILABLE, "failed to connect to all"), False, "no server at gpu:1; is --address right?"),
        (Failure(Code.UNAVAILABLE, "DNS resolution failed"), False, "no host is known by the name in --address gpu:1"),
        (Failure(Code.DEADLINE_EXCEEDED, ""), True, "no complete answer from gpu:1 within 3 s: raise --timeout"),
        (Failure(Code.DATA_LOSS, "a\n b"), False, "the server at gpu:1 failed with DATA_LOSS: a b"),
        (Failure(Code.ABORTED, ""), False, "the server at gpu:1 failed with ABORTED: no message"),
    ],
)
def test_failures_on_the_way(failure, answering, sentence):
    with Client("gpu:1", timeout_s=3) as client:
        assert str(client._explained(failure, answering)) == sentence


def test_unreadable_details_are_left_out():
    assert read_details(Failure(Code.INTERNAL, "", b"\xff\xff")) == Details()


def test_proxies_are_not_asked_for_this_machine():
    assert dict(client_module._channel_options("127.0.0.1:1"))["grpc.enable_http_proxy"] == 0
    assert dict(client_module._channel_options("gpu:1"))["grpc.enable_http_proxy"] == 1
