"""How the commands talk to a server, and the one place where a failed call becomes a sentence for who made it.

The client is synchronous: a command does one thing at a time, and Ctrl-C is an exception where the waiting happens.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import metadata
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from paddock.v1.classify_pb2 import ClassifyRequest, ClassifyResponse
from paddock.v1.generate_pb2 import GenerateRequest, GenerateResponse, StreamEvent
from paddock.v1.inference_pb2_grpc import InferenceServiceStub
from paddock.v1.model_pb2 import GetModelRequest, ListModelsRequest, Model
from paddock.v1.tokenize_pb2 import TokenizeRequest, TokenizeResponse

DEFAULT_ADDRESS = "127.0.0.1:50051"
API_KEY_VARIABLE = "PADDOCK_API_KEY"
"""Of the environment; an argument would be seen by everybody on the machine."""

_DETAILS_KEY = "grpc-status-details-bin"
_LOOPBACK = ("127.0.0.1:", "localhost:", "[::1]:", "unix:")
_UNKNOWN_HOST = ("DNS resolution failed", "errors resolving")  # how gRPC's releases say it
_CALLERS_MISTAKE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
)

Request = TypeVar("Request")
Response = TypeVar("Response")


class CallError(Exception):
    """A call failed; `str()` is one sentence that says why and what to do."""

    def __init__(self, sentence: str, code: grpc.StatusCode, details: Details) -> None:
        super().__init__(sentence)
        self.code = code
        self.details = details

    @property
    def exit_code(self) -> int:
        """2 when other arguments are needed, 1 when the same call may succeed another time or elsewhere."""
        return 2 if self.code in _CALLERS_MISTAKE else 1

    def lacks(self, feature: str) -> bool:
        """Tell whether the model refused because it does not support `feature`."""
        return self.details.reason == "FEATURE_UNSUPPORTED" and self.details.metadata.get("feature") == feature


@dataclass(frozen=True, slots=True)
class Details:
    """What the `google.rpc` details of a status say; see protos/paddock/v1/error.proto."""

    violations: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_s: float | None = None
    request_id: str = ""


class Client(AbstractContextManager["Client"]):
    """One channel to one server. Use it as a context manager: leaving it ends what is still under way."""

    def __init__(
        self,
        address: str,
        timeout_s: float | None = None,
        tls: grpc.ChannelCredentials | None = None,
        api_key: str | None = None,
    ) -> None:
        """Connect when called.

        Args:
            address: where the server is.
            timeout_s: how long each call may last; None for no limit.
            tls: whom to trust and what to show; None for a plain connection.
            api_key: says who calls.
        """
        self.address = address
        self.timeout_s = timeout_s
        self.secure = tls is not None
        self._api_key = api_key
        options = _channel_options(address)
        self._channel = (
            grpc.insecure_channel(address, options) if tls is None else grpc.secure_channel(address, tls, options)
        )
        self._stub = InferenceServiceStub(self._channel)

    def __exit__(self, *exception: object) -> None:
        """Close the channel."""
        self._channel.close()

    def generate(self, request: GenerateRequest) -> GenerateResponse:
        """Answer in one message."""
        return self._call(self._stub.Generate, request)

    def stream(self, request: GenerateRequest) -> Generator[StreamEvent, None, None]:
        """Answer as events. Closing this generator cancels the call: hold it in `contextlib.closing`."""
        call = self._stub.GenerateStream(request, timeout=self.timeout_s, metadata=self._metadata())
        answering = False
        try:
            for response in call:
                answering = True
                yield from response.events
        except grpc.RpcError as error:
            raise self._explained(error, answering) from error
        finally:
            call.cancel()

    def tokenize(self, request: TokenizeRequest) -> TokenizeResponse:
        """Encode."""
        return self._call(self._stub.Tokenize, request)

    def classify(self, request: ClassifyRequest) -> ClassifyResponse:
        """Score."""
        return self._call(self._stub.Classify, request)

    def models(self) -> list[Model]:
        """List all models."""
        return list(self._call(self._stub.ListModels, ListModelsRequest()).models)

    def model(self, name: str) -> Model:
        """Describe one model; an empty name means the only one."""
        return self._call(self._stub.GetModel, GetModelRequest(model=name)).model

    def _call(self, method: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        future = method.future(request, timeout=self.timeout_s, metadata=self._metadata())
        try:
            return future.result()
        except grpc.RpcError as error:
            raise self._explained(error, answering=False) from error
        finally:
            future.cancel()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        shown = (("authorization", f"Bearer {self._api_key}"),) if self._api_key else ()
        return (("x-request-id", uuid.uuid4().hex), *shown)

    def _explained(self, error: grpc.RpcError, answering: bool) -> CallError:
        details = read_details(error)
        message = " ".join((error.details() or "").split())
        sentence = (
            _told_by_details(message, details)
            or _told_by_code(error.code(), message, self, answering)
            or f"the server at {self.address} failed with {error.code().name}: {message or 'no message'}"
        )
        if error.code() is grpc.StatusCode.INTERNAL and details.request_id:
            sentence += f" (its log has more under request id {details.request_id})"
        return CallError(sentence, error.code(), details)


def read_details(error: grpc.RpcError) -> Details:
    """Read the details that came with a status. What is absent or unreadable is left out."""
    status = status_pb2.Status()
    for datum in error.trailing_metadata() or ():
        if datum.key == _DETAILS_KEY and isinstance(datum.value, bytes):
            try:
                status.ParseFromString(datum.value)
            except DecodeError:
                return Details()
    bad_request, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    for packed in status.details:
        for kind in (bad_request, info, retry, request):
            if packed.Is(kind.DESCRIPTOR):
                packed.Unpack(kind)
    return Details(
        violations=tuple((v.field, v.description) for v in bad_request.field_violations),
        reason=info.reason,
        metadata=dict(info.metadata),
        retry_s=retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None,
        request_id=request.request_id,
    )


def _told_by_details(message: str, details: Details) -> str | None:
    """Say what the server itself says, with the remedy that its details hold."""
    told = details.metadata
    match details.reason:
        case "CONTEXT_LENGTH_EXCEEDED":
            return (
                f"the prompt has {told.get('prompt_tokens', 'too many')} tokens"
                f" and the model takes {told.get('limit', 'fewer')}: shorten it"
            )
        case "MODEL_NOT_FOUND":
            served = told.get("served", "").replace(",", ", ")
            return f"no model {told.get('model', '')!r} is served here: choose with --model from {served or 'none'}"
        case "FEATURE_UNSUPPORTED":
            model = f"model {told['model']!r}" if told.get("model") else "the model"
            return f"{model} does not support {told.get('feature', 'this')}{_REMEDY.get(told.get('feature', ''), '')}"
        case "CREDENTIAL_MISSING":
            return f"the server wants to know who calls: set {API_KEY_VARIABLE}, or give --tls-cert and --tls-key"
        case "CREDENTIAL_INVALID":
            return f"the server does not know this key or certificate: is {API_KEY_VARIABLE} right?"
        case "MODEL_NOT_PERMITTED":
            return (
                f"{told.get('caller', 'this caller')} may not ask model {told.get('model', '')!r}: choose with --model"
            )
        case "DEADLINE_TOO_SHORT":
            return "the time given was too short for a first token: raise --timeout"
    if details.violations:
        return "the server refused " + "; ".join(f"{_flagged(path)}: {why}" for path, why in details.violations)
    if details.retry_s is not None:
        return f"{message or 'the server is busy'}: try again in {details.retry_s:g} s"
    return None


_REMEDY = {"chat": ": send raw text with paddock generate --raw"}
"""What to do instead of a feature."""


def _told_by_code(code: grpc.StatusCode, message: str, client: Client, answering: bool) -> str | None:
    """Say what is known when no details came: mostly that no Paddock server was reached."""
    where = client.address
    match code:
        case grpc.StatusCode.UNAVAILABLE if answering:
            return f"the connection to {where} was lost in the middle of the answer"
        case grpc.StatusCode.UNAVAILABLE if message.startswith("failed to connect") and (
            told := next((told for sign, told in _HANDSHAKE.items() if sign in message), None)
        ):
            return f"the server at {where} {told[client.secure]}"
        case grpc.StatusCode.UNAVAILABLE if message.startswith("failed to connect"):
            local = where.startswith(_LOOPBACK)
            remedy = "start one with: make run  (or paddock serve)" if local else "is --address right?"
            return f"no server at {where}; {remedy}"
        case grpc.StatusCode.UNAVAILABLE if message.startswith(_UNKNOWN_HOST):
            return f"no host is known by the name in --address {where}"
        case grpc.StatusCode.UNAVAILABLE:
            return f"the server at {where} is unavailable: {message}"
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"the server at {where} does not speak paddock.v1: is --address right?"
        case grpc.StatusCode.DEADLINE_EXCEEDED if client.timeout_s is not None:
            done = "complete answer" if answering else "answer"
            return f"no {done} from {where} within {client.timeout_s:g} s: raise --timeout"
    return None


_WRONG_CERTIFICATE = "shows a certificate that --tls-ca does not vouch for: is that the right file?"
_WRONG_NAME = "shows a certificate of another name: give --address the name that is in it"
_HANDSHAKE = {
    "CERTIFICATE_VERIFY_FAILED": (_WRONG_CERTIFICATE, _WRONG_CERTIFICATE),
    "Hostname Verification": (_WRONG_NAME, _WRONG_NAME),
    "Socket closed": (
        "closed the connection: if it wants TLS, give --tls-ca",
        "closed the connection: if it wants a certificate, give --tls-cert and --tls-key",
    ),
}
"""How gRPC says what went wrong in connecting, and what to say: over a plain connection, and over TLS."""

_FLAGS = {
    name: f"--{name.replace('_', '-')}"
    for name in ("model", "temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "logprobs")
} | {"n": "-n", "stop": "--stop"}


def _flagged(path: str) -> str:
    """Name a field of the request, and the option that sets it where there is one."""
    parts = path.split(".")
    flag = _FLAGS.get(parts[-1]) or _FLAGS.get(parts[0])
    return f"{flag} ({path})" if flag else path


def _channel_options(address: str) -> list[tuple[str, str | int]]:
    return [
        ("grpc.primary_user_agent", f"paddock-cli/{version()}"),
        ("grpc.max_receive_message_length", -1),  # what was asked for is wanted, whatever its size
        ("grpc.enable_http_proxy", int(not address.startswith(_LOOPBACK))),
    ]


def version() -> str:
    """Return the version of the installed package."""
    try:
        return metadata.version("paddock")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "unknown"
