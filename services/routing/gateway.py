"""Where each call goes: what is routed is relayed, as raw bytes; all else is handled by this process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from paddock.v1 import classify_pb2, generate_pb2, model_pb2, tokenize_pb2
from services.admission.admission import Demand, Grant
from services.admission.limit import Hold, Limiter
from services.config import ServerConfig
from services.directory import Directory
from services.edge import REQUEST_ID_KEY, RawRequest, request_id
from services.errors import InvalidArgumentError, ServiceError, Violation
from services.identity.origin import origin
from services.interceptor import Behavior, Handler, ServiceInterceptor
from services.model import ServedModel
from services.pacing import Pace
from services.reader import Reader
from services.routing.affinity import affinity_key
from services.routing.error import Code, UpstreamError
from services.routing.relay import Call, StreamRelay, Used, ask, off_loop, used
from services.routing.route import Route
from services.routing.router import Router
from services.telemetry.record import call_record
from services.time_limit import budget_s

_FORWARDED = ("traceparent", "tracestate")
"""Metadata of the client's that workers are told, beside the request id."""

_DESCRIBE_S = 5.0
"""Seconds for a worker to describe its model."""

_UNKNOWN_TOKENS = 256
"""What an output counts for that says nothing of its length."""
_BYTES_PER_TOKEN = 4
_MOST_TOKENS = 2**17
_MOST_OUTPUTS = 16

Context = grpc.aio.ServicerContext[Any, Any]


class Gateway(ServiceInterceptor):
    """Stands between the edge and the servicer of the models that this process computes."""

    def __init__(self, router: Router, models: Directory[ServedModel], limiter: Limiter, config: ServerConfig) -> None:
        """Take what is routed, what is computed here, and what limits callers."""
        self._router = router
        self._directory: Directory[ServedModel | Route] = Directory([*router.routes, *models.all])
        self._limiter = limiter
        self._stall_s = config.stall_s
        self._deadline_margin_s = config.deadline_margin_s
        self._pace = Pace(router.config.max_writes_per_s)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Keep the bytes of requests beside what they read, and send answers that are bytes as they are."""
        return Handler(
            self._dispatch(method, handler.behavior),
            lambda body: RawRequest(body, handler.parse(body)),
            lambda answer: answer if isinstance(answer, bytes) else handler.serialize(answer),
        )

    def _dispatch(self, method: str, local: Behavior) -> Behavior:
        """Handle a method: here, or where the request's model is."""

        async def handle(request: RawRequest, context: Context) -> Any:
            if method == "ListModels":
                return await self._list_models(await local(request.message, context), context)
            model = self._directory.find(_model_of(request.message))
            call_record().concerns(model.name, request.message)
            if isinstance(model, ServedModel):
                return await local(request.message, context)
            if method == "GetModel":
                described = await self._describe(model, _call(context))
                return model_pb2.GetModelResponse(model=described)
            if method == "GenerateStream":
                return await self._stream(model, request, context)
            if method in _USED:
                return await self._compute(model, method, request, context)
            return await self._ask(model, method, request, context)

        return handle

    async def _ask(self, route: Route, method: str, request: RawRequest, context: Context) -> bytes:
        self._check_inner_model(request.message, route)
        body = request.body + _suffix(request.message, route)
        reply = await ask(route, method, body, _call(context, request), self._router.config.retry)
        context.set_trailing_metadata(reply.trailing)
        return reply.body

    def _check_inner_model(self, message: Any, route: Route) -> None:
        inner = message.generate.model if isinstance(message, tokenize_pb2.TokenizeRequest) else ""
        if inner and self._directory.find(inner) is not route:
            raise InvalidArgumentError([Violation("generate.model", "is not the outer model")])

    async def _compute(self, route: Route, method: str, request: RawRequest, context: Context) -> bytes:
        async with self._admitted(route, request, context) as place:
            body = await self._ask(route, method, request, context)
            place.used = await off_loop(body, _USED[method], body)
            return body

    async def _stream(self, route: Route, request: RawRequest, context: Context) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("handlers run in tasks")
        async with self._admitted(route, request, context) as place:
            body = request.body + _suffix(request.message, route)
            call, retry = _call(context, request), self._router.config.retry
            relay = StreamRelay(route, request.message, body, call, retry, self._pace)

            def computed() -> None:
                place.used, place.begun = relay.used, relay.begun
                place.leave()

            with closing(Reader(context, self._stall_s, task)) as reader:
                await relay.run(reader.write, computed)
            context.set_trailing_metadata(relay.trailing)

    @asynccontextmanager
    async def _admitted(self, route: Route, request: RawRequest, context: Context) -> AsyncIterator[_Place]:
        """Hold what a request takes of its caller's limits, and wait for its turn."""
        asked, tokens, admission = origin(), _tokens(request), route.admission
        with self._limiter.holding(asked.caller, tokens, admission.service_time.mean_s, route.limiter) as hold:
            demand = Demand(asked, _outputs(request.message), tokens, self._budget_s(context))
            place = _Place(await admission.enter(demand), hold, _given(request.message))
            try:
                yield place
            except ServiceError as error:
                late = isinstance(error, UpstreamError) and error.code is Code.DEADLINE_EXCEEDED  # it was computed
                if not place.begun and not late:
                    place.used = Used(0, whole=False)
                raise
            finally:
                place.leave()

    def _budget_s(self, context: Context) -> float | None:
        """Give the seconds that a worker has, which ends its answer shortly before the deadline."""
        return budget_s(context.time_remaining(), self._deadline_margin_s)

    async def _list_models(
        self, listed: model_pb2.ListModelsResponse, context: Context
    ) -> model_pb2.ListModelsResponse:
        call = _call(context)
        described = await asyncio.gather(*(self._describe(route, call) for route in self._router.routes))
        models = sorted((*listed.models, *described), key=lambda model: model.name)
        return model_pb2.ListModelsResponse(models=models, server_version=listed.server_version)

    async def _describe(self, route: Route, call: Call) -> model_pb2.Model:
        """Describe a model as one of its workers does; without a word of theirs, as one that is not there yet."""

        def remaining_s() -> float:
            return min(call.remaining_s() or _DESCRIBE_S, _DESCRIBE_S)

        body = model_pb2.GetModelRequest(model=route.name).SerializeToString()
        config = replace(self._router.config.retry, resume_wait_s=0.0)
        try:
            reply = await ask(route, "GetModel", body, replace(call, remaining_s=remaining_s), config)
            model = model_pb2.GetModelResponse.FromString(reply.body).model
        except (ServiceError, DecodeError):
            model = model_pb2.Model(state=model_pb2.MODEL_STATE_LOADING)
        model.name = route.name
        model.aliases[:] = route.aliases
        if route.slots is not None:  # a gateway before this one is to give it as much as all workers can do
            model.limits.max_concurrency, model.limits.max_queue = route.slots, route.admission.max_queue
        return model


class _Place:
    """What a request has been given.

    Attributes:
        used: what its answer says that it took; None where it doesn't.
        begun: its client has something of an answer.
    """

    def __init__(self, grant: Grant, hold: Hold, given: int) -> None:
        """Take the tokens that the client had before, which are not used again."""
        self._grant = grant
        self._hold = hold
        self._given = given
        self.used: Used | None = None
        self.begun = False

    def leave(self) -> None:
        """Let somebody else have the place, once the workers have nothing to do with the request any more."""
        tokens = None if self.used is None else max(0, self.used.tokens - self._given)
        self._hold.used = tokens
        self._grant.release(tokens, whole=self.used is not None and self.used.whole)


def _call(context: Context, request: RawRequest | None = None) -> Call:
    given = context.invocation_metadata() or ()
    forwarded = [(str(key), value) for key, value in given if key in _FORWARDED]
    asked = origin()
    metadata = [(REQUEST_ID_KEY, request_id()), *asked.metadata, *(call_record().trace or forwarded)]
    if request is None:
        return Call(metadata, context.time_remaining)
    generates = isinstance(request.message, generate_pb2.GenerateRequest)
    key = affinity_key(request.message, asked.cache_salt) if generates else None
    return Call(metadata, context.time_remaining, _tokens(request), _outputs(request.message), key)


def _model_of(message: Any) -> str:
    """Give the model that a request names."""
    if isinstance(message, tokenize_pb2.TokenizeRequest):
        return message.model or message.generate.model
    return str(message.model)


def _suffix(message: Any, route: Route) -> bytes:
    """Give what a request lacks: behind it, fields that occur once take the place of its own, or join them.

    That is the model's name as its workers know it, and a seed, without which a lost stream could not be resumed.
    """
    if isinstance(message, generate_pb2.GenerateRequest):
        more: Message = generate_pb2.GenerateRequest(model=route.name)
        if not message.sampling.HasField("seed"):
            more = generate_pb2.GenerateRequest(model=route.name, sampling={"seed": secrets.randbits(64)})
    elif isinstance(message, tokenize_pb2.TokenizeRequest) and message.HasField("generate"):
        more = tokenize_pb2.TokenizeRequest(model=route.name, generate={"model": route.name})
    else:
        more = type(message)(model=route.name)
    return more.SerializeToString()


def _outputs(message: Any) -> int:
    """Give how many places a request takes at a worker."""
    if not isinstance(message, generate_pb2.GenerateRequest):
        return 1
    finished = sum(given.HasField("finished") for given in message.continuations)
    return max(1, min(message.n, _MOST_OUTPUTS) - finished)


def _given(message: Any) -> int:
    """Give the tokens of a request's answers that the client has already."""
    if not isinstance(message, generate_pb2.GenerateRequest):
        return 0
    return sum(len(given.token_ids) for given in message.continuations)


def _generated(body: bytes) -> Used | None:
    with suppress(DecodeError):  # whatever a worker sends is relayed
        response = generate_pb2.GenerateResponse.FromString(body)
        return used(response.usage, [output.finished for output in response.outputs])
    return None


def _classified(body: bytes) -> Used | None:
    with suppress(DecodeError):
        return used(classify_pb2.ClassifyResponse.FromString(body).usage, ())
    return None


_USED = {"Generate": _generated, "Classify": _classified}
"""How it is read from an answer in one message what it took, of methods that take something."""


def _tokens(request: RawRequest) -> int:
    """Estimate what a request costs a worker, in tokens."""
    read, message = len(request.body) // _BYTES_PER_TOKEN, request.message
    if not isinstance(message, generate_pb2.GenerateRequest):
        return read + 1
    written = message.max_tokens if message.HasField("max_tokens") else _UNKNOWN_TOKENS
    return read + min(written, _MOST_TOKENS) * min(max(message.n, 1), _MOST_OUTPUTS)
