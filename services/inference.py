"""`InferenceService`: check, call, map, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from importlib.metadata import version
from itertools import accumulate
from typing import Any, TypeVar

import grpc.aio
from google.protobuf.message import Message

from backends.base import Backend
from backends.errors import UnavailableError, UnsupportedError
from paddock.v1 import (
    classify_pb2,
    generate_pb2,
    inference_pb2_grpc,
    model_pb2,
    tokenize_pb2,
)
from services import request as requests
from services import response as responses
from services.checks import Checks, check_ids, check_text
from services.config import ServerConfig
from services.conversation import encode_chat
from services.edge import request_id
from services.errors import FeatureUnsupportedError, InvalidArgumentError, ModelUnavailableError, Violation
from services.event import Event
from services.generation import Generation, Plan
from services.model import Loaded, ServedModel, ServedModels
from services.reader import Reader
from services.status import RETRY_ELSEWHERE_S

_INLINE_BYTES = 32 * 1024
"""Requests larger than this are tokenized off the event loop."""

_LEAST_MARGIN = 0.1
"""Part of the time given that TIME_LIMIT keeps in hand, where `deadline_margin_s` would be more."""

_GONE = "no longer answering; the request can be resumed elsewhere"

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Serves models. Domain errors pass through; `services.edge` makes statuses of them."""

    def __init__(self, models: ServedModels, config: ServerConfig) -> None:
        self._models = models
        self._config = config

    async def Generate(  # noqa: N802 - the RPC's name
        self, request: generate_pb2.GenerateRequest, context: Context
    ) -> generate_pb2.GenerateResponse:
        """Answer in one message."""
        model = self._models.find(request.model)
        loaded, backend = model.ready()
        plan = await _off_loop(request, requests.plan, request, model, loaded)
        writer = responses.Writer(plan, loaded.tokenizer)
        events: list[generate_pb2.StreamEvent] = []
        with _answering(plan, model, loaded):
            async with aclosing(self._run(plan, loaded, backend, context)) as batches:
                async for batch in batches:
                    events += writer.write(batch)
        return responses.fold(responses.started(plan, request_id(), model.name), plan.n, events)

    async def GenerateStream(  # type: ignore[override]  # noqa: N802 - writes by itself, to bound each write
        self, request: generate_pb2.GenerateRequest, context: Context
    ) -> None:
        """Answer as events; what came since the last message leaves as one."""
        model = self._models.find(request.model)
        loaded, backend = model.ready()
        plan = await _off_loop(request, requests.plan, request, model, loaded)
        writer = responses.Writer(plan, loaded.tokenizer)
        reader = Reader(context, self._config.stall_s, _current_task())
        with _answering(plan, model, loaded):
            begun = generate_pb2.StreamEvent(started=responses.started(plan, request_id(), model.name))
            await reader.write(generate_pb2.GenerateStreamResponse(events=[begun]))
            async with aclosing(self._run(plan, loaded, backend, context)) as batches:
                async for batch in batches:
                    await reader.write(generate_pb2.GenerateStreamResponse(events=writer.write(batch)))

    async def Tokenize(  # noqa: N802
        self, request: tokenize_pb2.TokenizeRequest, context: Context
    ) -> tokenize_pb2.TokenizeResponse:
        """Encode as Generate does."""
        names = {name for name in (request.model, request.generate.model) if name}
        if len(names) > 1:
            raise InvalidArgumentError([Violation("generate.model", "is not the outer model")])
        model = self._models.find(names.pop() if names else "")
        loaded, _ = model.ready()
        return await _off_loop(request, _tokenize, request, model, loaded)

    async def Detokenize(  # noqa: N802
        self, request: tokenize_pb2.DetokenizeRequest, context: Context
    ) -> tokenize_pb2.DetokenizeResponse:
        """Give the text of ids."""
        model = self._models.find(request.model)
        loaded, _ = model.ready()
        return await _off_loop(request, _detokenize, request, loaded)

    async def Classify(  # noqa: N802
        self, request: classify_pb2.ClassifyRequest, context: Context
    ) -> classify_pb2.ClassifyResponse:
        """Refuse: not built yet."""
        model = self._models.find(request.model)
        raise FeatureUnsupportedError("classify", model.name)

    async def ListModels(  # noqa: N802
        self, request: model_pb2.ListModelsRequest, context: Context
    ) -> model_pb2.ListModelsResponse:
        """Describe all models."""
        models = [responses.model(model) for model in self._models.all]
        return model_pb2.ListModelsResponse(models=models, server_version=version("paddock"))

    async def GetModel(  # noqa: N802
        self, request: model_pb2.GetModelRequest, context: Context
    ) -> model_pb2.GetModelResponse:
        """Describe one model."""
        return model_pb2.GetModelResponse(model=responses.model(self._models.find(request.model)))

    def _run(self, plan: Plan, loaded: Loaded, backend: Backend, context: Context) -> AsyncGenerator[list[Event], None]:
        return Generation(plan, backend, loaded.tokenizer).run(self._budget_s(context))

    def _budget_s(self, context: Context) -> float | None:
        remaining: float | None = context.time_remaining()
        if remaining is None:
            return None
        return float(remaining - min(self._config.deadline_margin_s, remaining * _LEAST_MARGIN))


@contextmanager
def _answering(plan: Plan, model: ServedModel, loaded: Loaded) -> Iterator[None]:
    """Hold room for the outputs, and name the model in what its backend raises."""
    with loaded.admission.admit(plan.unfinished):
        try:
            yield
        except UnavailableError as error:
            raise ModelUnavailableError(model.name, _GONE, RETRY_ELSEWHERE_S) from error
        except UnsupportedError as error:
            raise FeatureUnsupportedError(error.feature, model.name) from error


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("handlers run in tasks")
    return task


async def _off_loop(request: Message, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that tokenizes: in a thread when the request is large, so that the event loop goes on."""
    if request.ByteSize() <= _INLINE_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def _tokenize(
    request: tokenize_pb2.TokenizeRequest, model: ServedModel, loaded: Loaded
) -> tokenize_pb2.TokenizeResponse:
    checks = Checks()
    kind = request.WhichOneof("input")
    if kind == "chat":
        encoded = encode_chat(request.chat, "chat", model, loaded, checks)
    elif kind == "generate":
        encoded = requests.encode_input(request.generate, model, loaded, checks)
    elif kind == "text" and check_text(request.text, "text", checks):
        encoded = requests.encode_text(request.text, loaded)
    else:
        raise InvalidArgumentError([Violation("input", "is missing or too long: set text, chat or generate")])
    checks.done()
    pieces = [loaded.tokenizer.piece(token_id) for token_id in encoded.token_ids]
    ends = list(accumulate(map(len, pieces)))
    return tokenize_pb2.TokenizeResponse(
        tokens=[
            tokenize_pb2.TokenSpan(id=token_id, piece=piece, start=end - len(piece), end=end)
            for token_id, piece, end in zip(encoded.token_ids, pieces, ends, strict=True)
        ],
        token_count=len(pieces),
        context_length=loaded.capabilities.context_length,
        neutralized_sequences=encoded.neutralized,
    )


def _detokenize(request: tokenize_pb2.DetokenizeRequest, loaded: Loaded) -> tokenize_pb2.DetokenizeResponse:
    checks = Checks()
    check_ids(request.token_ids, loaded.capabilities.vocab_size, "token_ids", checks)
    checks.done()
    tokenizer = loaded.tokenizer
    skip = request.skip_control_tokens
    raw = b"".join(tokenizer.piece(i) for i in request.token_ids if not (skip and tokenizer.is_control(i)))
    return tokenize_pb2.DetokenizeResponse(text=raw.decode(errors="replace"), raw=raw)
