"""A worker as the gateway sees it: for one model, whether it is well, and how much it has to do."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paddock.v1 import model_pb2
from services.routing.config import UpstreamConfig
from services.routing.credential import Credential
from services.routing.endpoint import Standing
from services.routing.error import UpstreamError
from services.routing.outlier import OutlierDetector

_Status = health_pb2.HealthCheckResponse.ServingStatus
_NAMES: dict[Any, str] = {number: name for name, number in _Status.items()}
_LOGGED = 256
"""Characters of what a worker says."""
_SETTLE_S = 0.02
"""After which it is heard again: one that changes its mind without end costs little."""
_SERVING = health_pb2.HealthCheckResponse.SERVING
_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 1.0
_GET_MODEL = "/paddock.v1.InferenceService/GetModel"
_LEARN_S = 5.0
"""Seconds for a worker to describe its model, and before it is asked again."""
_STEADY_S = 1.0
"""After which a watch that breaks is begun anew before it is believed that the worker is gone."""

_log = logging.getLogger(__name__)


class Upstream:
    """One worker, as far as one model goes.

    Attributes:
        address: where it is.
        weight: its share of calls, relative to the others of its pool.
        channel: the connection to it, which other models of the same worker share.
        credential: what makes the two known to each other.
        serving: it says that it serves the model.
        standing: what those who run it say of it, whatever it says itself.
        work: what it has been given and has not ended, in tokens as they are estimated.
        outputs: the same, in outputs.
        slots: outputs of the model that it computes at once; None where it hasn't said.
        asked: it was asked for them, and has answered or failed to.
        ejections: how often it was left alone for a while.
        heard: set once it is known whether it serves.
    """

    def __init__(
        self,
        model: str,
        config: UpstreamConfig,
        channel: grpc.aio.Channel,
        outlier: OutlierDetector,
        on_change: Callable[[], None],
        credential: Credential,
    ) -> None:
        """Take whom to tell when `serving` changes."""
        self.address = config.address
        self.weight = config.weight
        self.channel = channel
        self.credential = credential
        self.serving = False
        self.standing = Standing.ready
        self.work = 0
        self.outputs = 0
        self.slots: int | None = None
        self.asked = False
        self.ejections = 0
        self._learning: asyncio.Task[None] | None = None
        self.heard = asyncio.Event()
        self._model = model
        self._outlier = outlier
        self._on_change = on_change
        self._said = ""
        self._backoff_s = _FIRST_BACKOFF_S

    @property
    def available(self) -> bool:
        """Whether it is to be given calls now."""
        return self.open and not self.ejected

    @property
    def open(self) -> bool:
        """Whether it can be given calls, be it ejected or not."""
        return self.serving and self.standing is Standing.ready

    @property
    def leaving(self) -> bool:
        """Whether it can be given calls that nobody else can be given: it is about to go."""
        return self.serving and self.standing is Standing.leaving

    @property
    def ejected(self) -> bool:
        """Whether it is left alone now, whatever it says."""
        return self._outlier.ejected

    @property
    def effective_weight(self) -> float:
        """Its weight, less while it has just come back."""
        return self.weight * self._outlier.share

    @property
    def load(self) -> float:
        """What it has to do, by its weight."""
        return self.work / self.effective_weight

    @property
    def has_slot(self) -> bool:
        """Whether it can begin with something else at once, as far as is known."""
        return self.asked and (self.slots is None or self.outputs < self.slots)

    @contextmanager
    def working(self, tokens: int, outputs: int = 1) -> Iterator[None]:
        """Count a call in while it lasts."""
        self.work += tokens
        self.outputs += outputs
        try:
            yield
        finally:
            self.work -= tokens
            self.outputs -= outputs

    def report(self, error: UpstreamError | None) -> None:
        """Take how a call ended: an error that isn't a loss is an answer."""
        if error is None or not error.lost:
            self._outlier.succeeded()
        elif (seconds := self._outlier.failed()) is not None:
            self.ejections += 1
            _log.warning("upstream %s of model %s is ejected for %g s", self.address, self._model, seconds)

    def stand_in(self, other: Upstream) -> None:
        """Take the place of another one with the same address."""
        self.slots, self.asked = other.slots, other.asked
        self.stand(other.standing)

    def stand(self, standing: Standing) -> None:
        """Take whether it is to be given calls."""
        if standing is not self.standing:
            self.standing = standing
            self._on_change()

    async def watch(self) -> None:
        """Follow what it says of its health, by the standard protocol, until cancelled."""
        try:
            await self._watch()
        finally:
            if self._learning is not None:
                self._learning.cancel()

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time
        request = health_pb2.HealthCheckRequest(service=self._model)
        stub: Any = health_pb2_grpc.HealthStub(self.channel)  # the types of its stubs leave Watch out
        while True:
            since = None
            try:
                async for answer in stub.Watch(request):
                    since = since or now()
                    self._backoff_s = _FIRST_BACKOFF_S
                    status = getattr(answer, "status", None)  # gRPC gives None for what can't be read
                    self._hear(status == _SERVING, _NAMES.get(status, "what it says can't be read"))
                    await asyncio.sleep(_SETTLE_S)
                self._hear(False, "it is stopping")
            except grpc.aio.AioRpcError as error:
                if since is not None and now() - since > _STEADY_S:
                    continue  # connections have an end, too: it is another one that fails, if it does, which tells
                self._hear(
                    error.code() is grpc.StatusCode.UNIMPLEMENTED, f"{error.code().name}, {error.details()}"[:_LOGGED]
                )
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1.0))
            self._backoff_s = min(2 * self._backoff_s, _LAST_BACKOFF_S)

    def _hear(self, serving: bool, said: str) -> None:
        """Take what it says, or what is said in its stead."""
        if said != self._said:
            what = "serves" if serving else "doesn't serve"
            _log.info("upstream %s %s model %s: %s", self.address, what, self._model, said)
            self._said = said
        if serving != self.serving:
            if serving:
                self._outlier.came_back()
                if self._learning is None or self._learning.done():
                    self._learning = asyncio.get_running_loop().create_task(self._learn())
            self.serving = serving
            self._on_change()
        self.heard.set()

    async def _learn(self) -> None:
        """Ask how many outputs it computes at once, until it says so: another one may have taken its address."""
        get_model: Any = self.channel.unary_unary(_GET_MODEL)  # gRPC would log what it can't read with its traceback
        request = model_pb2.GetModelRequest(model=self._model).SerializeToString()
        while True:
            try:
                told = await get_model(request, timeout=_LEARN_S, metadata=self.credential.metadata)
                answer = model_pb2.GetModelResponse.FromString(told)
            except (grpc.aio.AioRpcError, DecodeError):
                self.asked = True  # and doesn't say, for now
                self._on_change()
                await asyncio.sleep(_LEARN_S)
                continue
            self.slots = answer.model.limits.max_concurrency or None
            self.asked = True
            self._on_change()
            return
