"""An InferenceService in this process that answers what a test scripts, and remembers what it was asked.

It is synchronous, as the client is: so neither needs an event loop, and a test reads from top to bottom.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent import futures

import grpc
from google.protobuf.message import Message

from paddock.v1.classify_pb2 import ClassifyResponse
from paddock.v1.generate_pb2 import (
    FinishReason,
    GenerateRequest,
    GenerateResponse,
    GenerateStreamResponse,
    OutputFinished,
    Started,
    StreamEvent,
    TokenDelta,
    ToolCallDelta,
)
from paddock.v1.inference_pb2_grpc import InferenceServiceServicer, add_InferenceServiceServicer_to_server
from paddock.v1.model_pb2 import GetModelResponse, ListModelsResponse
from paddock.v1.tokenize_pb2 import TokenizeResponse
from services.errors import ServiceError
from services.status import DETAILS_KEY, to_status

HANG = "hang"
"""In a script: say nothing more until the call is cancelled."""

Step = StreamEvent | ServiceError | RuntimeError | str


def started(n: int = 1) -> StreamEvent:
    event = StreamEvent(started=Started(model="paddock-tiny"))
    event.started.parameters.n = n
    return event


def text(text: str, index: int = 0) -> StreamEvent:
    return StreamEvent(output_index=index, token_delta=TokenDelta(text=text))


def call(arguments: str, call_index: int = 0, **first: str) -> StreamEvent:
    return StreamEvent(tool_call_delta=ToolCallDelta(call_index=call_index, arguments_json=arguments, **first))


def finished(reason: FinishReason = FinishReason.FINISH_REASON_STOP, index: int = 0, tokens: int = 0) -> StreamEvent:
    return StreamEvent(output_index=index, finished=OutputFinished(reason=reason, completion_tokens=tokens))


def answer(*texts: str) -> list[Step]:
    return [started(), *map(text, texts), finished()]


class FakeServer(InferenceServiceServicer):
    """Streams follow `scripts`, one each; other calls answer the message or error in `responses`, by name."""

    def __init__(self) -> None:
        self.scripts: deque[Sequence[Step]] = deque()
        self.responses: dict[str, Message | Exception] = {}
        self.requests: list[Message] = []
        self.metadata: list[dict[str, str]] = []
        self.cancelled = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        add_InferenceServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def GenerateStream(  # noqa: N802 - the RPC's name
        self, request: GenerateRequest, context: grpc.ServicerContext
    ) -> Iterator[GenerateStreamResponse]:
        self._remember(request, context)
        script = self.scripts.popleft()
        # Before the first step: a call that is cancelled early is not asked for the next one.
        if HANG in script and not context.add_callback(self.cancelled.set):
            self.cancelled.set()
        for step in script:
            if isinstance(step, Exception):
                self._fail(step, context)
            elif step == HANG:
                self.cancelled.wait(timeout=20)
                return
            else:
                yield GenerateStreamResponse(events=[step])

    def Generate(self, request, context):  # noqa: N802
        return self._respond("Generate", GenerateResponse(), request, context)

    def Tokenize(self, request, context):  # noqa: N802
        return self._respond("Tokenize", TokenizeResponse(), request, context)

    def ListModels(self, request, context):  # noqa: N802
        return self._respond("ListModels", ListModelsResponse(), request, context)

    def GetModel(self, request, context):  # noqa: N802
        return self._respond("GetModel", GetModelResponse(), request, context)

    def Detokenize(self, request, context):  # noqa: N802
        raise NotImplementedError

    def Classify(self, request, context):  # noqa: N802
        return self._respond("Classify", ClassifyResponse(), request, context)

    def _respond(self, name, default, request, context):
        self._remember(request, context)
        response = self.responses.get(name, default)
        if isinstance(response, Exception):
            self._fail(response, context)
        return response

    def _remember(self, request: Message, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))

    def _fail(self, error: Exception, context: grpc.ServicerContext) -> None:
        """Fail as the real server does, details and all; a KeyError stands for a server that sends none."""
        code, status = to_status(error, request_id="req-1")
        if not isinstance(error, KeyError):
            context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
        context.abort(code, status.message)
