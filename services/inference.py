"""`InferenceService`: check, call, map, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import grpc.aio
from google.protobuf.message import Message

from backends.base import Backend
from backends.errors import BackendError, ContextLengthError, InvalidRequestError, UnavailableError, UnsupportedError
from paddock.v1 import (
    classify_pb2,
    generate_pb2,
    inference_pb2_grpc,
    model_pb2,
    tokenize_pb2,
)
from services import request as requests
from services import response as responses
from services.admission.admission import Demand
from services.admission.limit import Limiter
from services.checks import Checks, check_ids, check_text
from services.classification import classify, tokens
from services.config import ServerConfig
from services.conversation import encode_chat
from services.edge import request_id
from services.errors import FeatureUnsupportedError, InvalidArgumentError, ModelUnavailableError, Violation
from services.event import Event
from services.generation import Generation, Plan
from services.guard.config import GuardKind
from services.guard.generation import GuardedGeneration
from services.guard.guard import Guard
from services.guard.watch import watch
from services.identity.origin import origin
from services.model import Loaded, ServedModel, ServedModels
from services.pacing import Pace
from services.reader import Reader
from services.routing.guard import routed_guard
from services.routing.router import Router
from services.status import RETRY_ELSEWHERE_S
from services.telemetry.record import call_record
from services.time_limit import budget_s

_INLINE_BYTES = 2 * 1024
"""Requests larger than this are tokenized off the event loop: they take more than about a millisecond."""

_MAX_TOKENS = 262_144
"""Of Tokenize and Detokenize: twice Llama 3.1's context."""

_TAKES_PER_S = 4.0
"""Of an answer that nobody reads before its end: often enough that no piece of the work is long."""

_GONE = "no longer answering; the request can be resumed elsewhere"

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answer:
    plan: Plan
    started: generate_pb2.Started
    batches: AsyncGenerator[list[Event], None]
    writer: responses.Writer


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Serves models. Domain errors pass through; `services.edge` makes statuses of them."""

    def __init__(self, models: ServedModels, router: Router, limiter: Limiter, config: ServerConfig) -> None:
        """Take the models of this process, those of others, which may be their guards, and what limits callers."""
        self._models = models
        self._router = router
        self._limiter = limiter
        self._config = config
        self._pace = Pace(config.max_writes_per_s)
        self._closing: set[asyncio.Future[Any]] = set()

    async def Generate(  # noqa: N802 - the RPC's name
        self, request: generate_pb2.GenerateRequest, context: Context
    ) -> generate_pb2.GenerateResponse:
        """Answer in one message."""
        async with self._answering(request, context, Pace(_TAKES_PER_S)) as answer:
            events: list[generate_pb2.StreamEvent] = []
            async for batch in answer.batches:
                call_record().events(batch)
                events += answer.writer.write(batch)
            return responses.fold(answer.started, answer.plan.n, events)

    async def GenerateStream(  # type: ignore[override]  # noqa: N802 - writes by itself, to bound each write
        self, request: generate_pb2.GenerateRequest, context: Context
    ) -> None:
        """Answer as events; what came since the last message leaves as one, when it is this stream's turn."""
        with closing(Reader(context, self._config.stall_s, _current_task())) as reader:
            async with self._answering(request, context, self._pace) as answer:
                await reader.write(_message(generate_pb2.StreamEvent(started=answer.started)))
                async for batch in answer.batches:
                    call_record().events(batch)
                    for message in responses.messages(answer.writer.write(batch)):
                        await reader.write(message)

    async def Tokenize(  # noqa: N802
        self, request: tokenize_pb2.TokenizeRequest, context: Context
    ) -> tokenize_pb2.TokenizeResponse:
        """Encode as Generate does."""
        model = self._models.find(request.model or request.generate.model)
        if request.generate.model and self._models.find(request.generate.model) is not model:
            raise InvalidArgumentError([Violation("generate.model", "is not the outer model")])
        call_record().concerns(model.name, request)
        loaded, _ = model.ready()
        return await _off_loop(request, _tokenize, request, model, loaded)

    async def Detokenize(  # noqa: N802
        self, request: tokenize_pb2.DetokenizeRequest, context: Context
    ) -> tokenize_pb2.DetokenizeResponse:
        """Give the text of ids."""
        model = self._models.find(request.model)
        call_record().concerns(model.name, request)
        loaded, _ = model.ready()
        return await _off_loop(request, _detokenize, request, loaded)

    async def Classify(  # noqa: N802
        self, request: classify_pb2.ClassifyRequest, context: Context
    ) -> classify_pb2.ClassifyResponse:
        """Score texts and conversations."""
        model = self._models.find(request.model)
        call_record().concerns(model.name, request)
        typical_s = model.loaded.admission.service_time.mean_s if model.loaded else 0.0
        with self._limiter.holding(origin().caller, tokens(request), typical_s, model.limiter) as hold:
            admitted = partial(setattr, hold, "used", None)  # who leaves while it is computed has had it
            try:
                response = await classify(request, self._models, origin(), self._budget_s(context), admitted)
            except (BackendError, FeatureUnsupportedError, ModelUnavailableError):
                hold.used = 0
                raise
            hold.used = response.usage.total_tokens
            return response

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
        model = self._models.find(request.model)
        call_record().concerns(model.name, request)
        return model_pb2.GetModelResponse(model=responses.model(model))

    @asynccontextmanager
    async def _answering(
        self, request: generate_pb2.GenerateRequest, context: Context, pace: Pace
    ) -> AsyncIterator[_Answer]:
        """Check a request, hold room for its outputs, and run them; name the model in what its backend raises."""
        model = self._models.find(request.model)
        call_record().concerns(model.name, request)
        loaded, backend = model.ready()
        plan = await _off_loop(request, requests.plan, request, model, loaded)
        plan = replace(plan, cache_salt=origin().cache_salt)
        generation = await _off_loop(request, self._generation, request, plan, model, loaded, backend, pace)
        try:
            async with (
                self._admitted(plan, generation, model.limiter, loaded, context) as computed,
                aclosing(generation.run(self._budget_s(context), computed)) as batches,
            ):
                started = responses.started(plan, request_id(), model.name)
                writer = responses.Writer(plan, loaded.token_bytes, generation.delivered)
                yield _Answer(plan, started, batches, writer)
        except UnavailableError as error:
            raise ModelUnavailableError(model.name, _GONE, RETRY_ELSEWHERE_S) from error
        except UnsupportedError as error:
            raise FeatureUnsupportedError(error.feature, model.name) from error
        except ContextLengthError:
            raise
        except InvalidRequestError as error:
            violation = Violation(requests.field_of(request, error.field), error.message)
            raise InvalidArgumentError([violation]) from error

    @asynccontextmanager
    async def _admitted(
        self,
        plan: Plan,
        generation: Generation | GuardedGeneration,
        limiter: Limiter,
        loaded: Loaded,
        context: Context,
    ) -> AsyncIterator[Callable[[], None]]:
        """Wait for a plan's turn. Yields what gives its place back, which is called at the end at the latest."""
        admission, asked = loaded.admission, origin()
        with self._limiter.holding(asked.caller, plan.tokens, admission.service_time.mean_s, limiter) as hold:
            demand = Demand(asked, plan.unfinished, plan.tokens, self._budget_s(context))
            grant = await admission.enter(demand)
            call_record().admitted()

            def computed() -> None:
                grant.release(generation.tokens, whole=generation.whole)

            try:
                yield computed
            finally:
                hold.used = generation.tokens
                if generation.closing is None:
                    grant.release(0)
                else:  # once the backend has let go, which the answer need not wait for
                    self._closing.add(generation.closing)
                    generation.closing.add_done_callback(self._closing.discard)
                    generation.closing.add_done_callback(lambda _: computed())

    def _generation(
        self,
        request: generate_pb2.GenerateRequest,
        plan: Plan,
        model: ServedModel,
        loaded: Loaded,
        backend: Backend,
        pace: Pace,
    ) -> Generation | GuardedGeneration:
        """Make what runs a plan: with guards, where the model has some that are not off. May take long."""
        tokenizer = loaded.tokenizer
        if watched := watch(request, plan, model.config, self._guard, tokenizer):
            return GuardedGeneration(Generation(plan, backend, tokenizer), plan, watched, tokenizer, pace)
        return Generation(plan, backend, tokenizer, pace)

    def _guard(self, name: str, required: bool) -> Guard:
        """Give the guard that a served or routed model is; one that is required is worth a wait."""
        route = self._router.find(name)
        if route is not None:
            retry = self._router.config.retry
            return routed_guard(route, retry if required else replace(retry, resume_wait_s=0.0))
        model = self._models.find(name)
        reads_chats = model.config.guard is GuardKind.llama_guard
        return Guard(model.name, reads_chats, lambda request: classify(request, self._models, origin().urgent))

    def _budget_s(self, context: Context) -> float | None:
        return budget_s(context.time_remaining(), self._config.deadline_margin_s)


def _message(event: generate_pb2.StreamEvent) -> generate_pb2.GenerateStreamResponse:
    return generate_pb2.GenerateStreamResponse(events=[event])


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("handlers run in tasks")
    return task


async def _off_loop(request: Message, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that reads a request: in a thread when that may take long, so that the event loop goes on."""
    has_form = isinstance(request, generate_pb2.GenerateRequest) and requests.has_form(request)
    if request.ByteSize() <= _INLINE_BYTES and not has_form:
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
    elif kind == "text":
        fits = check_text(request.text, "text", checks)
        encoded = requests.encode_text(request.text if fits else "", loaded)
    else:
        raise InvalidArgumentError([Violation("input", "is missing: set text, chat or generate")])
    count = len(encoded.token_ids)
    checks.require(count <= _MAX_TOKENS, kind, f"{count} tokens; at most {_MAX_TOKENS}")
    checks.done()
    return loaded.span_bytes.tokenized(encoded, loaded.capabilities.context_length)


def _detokenize(request: tokenize_pb2.DetokenizeRequest, loaded: Loaded) -> tokenize_pb2.DetokenizeResponse:
    checks = Checks()
    count = len(request.token_ids)
    checks.require(count <= _MAX_TOKENS, "token_ids", f"{count} tokens; at most {_MAX_TOKENS}")
    check_ids(request.token_ids, loaded.capabilities.vocab_size, "token_ids", checks)
    checks.done()
    tokenizer = loaded.tokenizer
    skip = request.skip_control_tokens
    raw = b"".join(tokenizer.piece(i) for i in request.token_ids if not (skip and tokenizer.is_control(i)))
    return tokenize_pb2.DetokenizeResponse(text=raw.decode(errors="replace"), raw=raw)
