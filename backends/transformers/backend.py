"""The Transformers backend: its face toward the event loop. Imports no PyTorch."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from backends.base import Backend, Deltas, check_request, check_windows
from backends.errors import LoadError, UnavailableError, UnsupportedError
from backends.transformers.config import TransformersConfig
from backends.transformers.mailbox import Mailbox
from backends.transformers.worker import Listener, Worker
from backends.types import Capabilities, GenerationRequest, Health

if TYPE_CHECKING:
    from backends.transformers.engine import Emission
    from backends.transformers.grammar_compiler import GrammarCompiler

logger = logging.getLogger(__name__)

_PROGRESS_S = 5.0
_CLOSE_S = 8.0  # below the default of `server.close_s`, so that the warning here is seen
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_DTYPES = ("auto", "float32", "bfloat16", "float16")


class TransformersBackend(Backend):
    """Serves a Llama-architecture checkpoint or a sequence classifier from a folder.

    For the arguments see `TransformersConfig`.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        device: str = "auto",
        dtype: str = "auto",
        max_concurrency: int = 64,
        max_batch_tokens: int = 512,
        prefill_chunk: int = 128,
        context_length: int | None = None,
        cache_gib: float | None = None,
        prefix_cache_gib: float | None = None,
        num_threads: int | None = None,
        fused_layers: bool = True,
    ) -> None:
        self._config = TransformersConfig(
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            max_concurrency=max_concurrency,
            max_batch_tokens=max_batch_tokens,
            prefill_chunk=prefill_chunk,
            context_length=context_length,
            cache_gib=cache_gib,
            prefix_cache_gib=prefix_cache_gib,
            num_threads=num_threads,
            fused_layers=fused_layers,
        )
        _check_config(self._config)
        self._tickets = itertools.count()
        self._mailboxes: dict[int, Mailbox] = {}
        self._scores: dict[int, asyncio.Future[list[list[float]]]] = {}
        self._worker: Worker | None = None
        self._compiler: GrammarCompiler | None = None
        self._capabilities: Capabilities | None = None
        self._ended: asyncio.Event | None = None
        self._reason = "not loaded"

    async def load(self) -> Capabilities:
        """Load on the worker's thread; it goes on there for as long as the backend lives."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Capabilities] = loop.create_future()
        self._ended = asyncio.Event()

        def on_loop(callback: Callable[..., None], *arguments: object) -> None:
            try:
                loop.call_soon_threadsafe(callback, *arguments)
            except RuntimeError:  # the loop is closed: nobody is left to tell
                logger.warning("the event loop is closed; the engine ends")
                worker.stop()

        def on_loaded(capabilities: Capabilities, compiler: GrammarCompiler | None) -> None:
            self._compiler = compiler
            if not outcome.done():
                outcome.set_result(capabilities)

        def on_ended(error: BaseException | None) -> None:
            self._end(error)
            if not outcome.done():
                outcome.set_exception(_load_error(error))

        worker = Worker(
            self._config,
            Listener(
                loaded=lambda capabilities, compiler: on_loop(on_loaded, capabilities, compiler),
                emitted=lambda emissions: on_loop(self._deliver, emissions),
                ended=lambda error: on_loop(on_ended, error),
            ),
        )
        self._worker, self._reason = worker, "loading"
        worker.start()
        self._capabilities = await self._wait_loaded(outcome)
        if self._reason != "loading":
            raise LoadError(f"loading was overtaken, {self._reason}: build and load another backend")
        self._reason = ""
        return self._capabilities

    def health(self) -> Health:
        """See `Backend.health`."""
        if self._worker is None:
            return Health(ready=False, reason=self._reason)
        compiling = self._compiler.waiting if self._compiler else 0
        waiting = self._worker.waiting + compiling
        return Health(not self._reason, self._worker.running, waiting, self._reason, self._worker.cache_usage)

    async def close(self) -> None:
        """See `Backend.close`. Waits for the step in progress, at most 8 s."""
        self._reason = "closed"
        self._fail_all("the backend is closing")
        if self._worker is None or self._ended is None:
            return
        deadline = time.monotonic() + _CLOSE_S
        self._worker.stop()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _CLOSE_S)
        for name, owner in (("engine's", self._worker), ("grammar compiler's", self._compiler)):
            if owner and not await asyncio.to_thread(owner.join, max(0.0, deadline - time.monotonic())):
                logger.warning("the %s thread did not end within %g s; it is left behind", name, _CLOSE_S)
        self._worker = None

    async def generate(self, request: GenerationRequest) -> Deltas:
        """See `Backend.generate`."""
        worker, capabilities = self._ready()
        if not capabilities.generates:
            raise UnsupportedError("generate")
        check_request(request, capabilities)
        follower = await self._compiler.follow(request) if self._compiler else None
        if self._reason:
            raise UnavailableError(f"the backend is not ready: {self._reason}")
        ticket, mailbox = next(self._tickets), Mailbox()
        self._mailboxes[ticket] = mailbox
        try:
            worker.submit(ticket, request, follower)
            not_before = None
            while True:
                delta = await mailbox.take(not_before)
                not_before = yield delta
                if delta.finish is not None:
                    return
        finally:
            try:
                if not mailbox.released:
                    worker.cancel(ticket)
                    await mailbox.wait_released()
            finally:
                del self._mailboxes[ticket]

    async def classify(self, windows: Sequence[Sequence[int]]) -> list[list[float]]:
        """See `Backend.classify`. A cancelled call returns once the thread has let go of its windows."""
        worker, capabilities = self._ready()
        if not capabilities.classifies:
            raise UnsupportedError("classify")
        check_windows(windows, capabilities)
        if not windows:
            return []
        ticket, scores = next(self._tickets), asyncio.get_running_loop().create_future()
        self._scores[ticket] = scores
        try:
            worker.submit(ticket, windows)
            logits: list[list[float]] = await asyncio.shield(scores)
        except asyncio.CancelledError:
            worker.cancel(ticket)
            await asyncio.wait([scores])
            raise
        finally:
            del self._scores[ticket]
        return logits

    def _ready(self) -> tuple[Worker, Capabilities]:
        if self._reason or self._worker is None or self._capabilities is None:
            raise UnavailableError(f"the backend is not ready: {self._reason}")
        return self._worker, self._capabilities

    async def _wait_loaded(self, outcome: asyncio.Future[Capabilities]) -> Capabilities:
        started = time.monotonic()
        while not (await asyncio.wait([outcome], timeout=_PROGRESS_S))[0]:
            logger.info("still loading %s, %.0f s so far", self._config.checkpoint, time.monotonic() - started)
        return outcome.result()

    def _deliver(self, emissions: list[Emission]) -> None:
        for emission in emissions:
            if emission.ticket in self._scores:
                self._settle(emission)
                continue
            mailbox = self._mailboxes.get(emission.ticket)
            if mailbox is None:
                continue
            if emission.delta is not None:
                mailbox.put(emission.delta)
            else:
                mailbox.close(emission.error)

    def _settle(self, emission: Emission) -> None:
        scores = self._scores[emission.ticket]
        if scores.done():
            return
        if emission.error is not None:
            scores.set_exception(emission.error)
        else:
            scores.set_result(emission.logits or [])

    def _end(self, error: BaseException | None) -> None:
        """The worker's thread is over."""
        if error is not None and not isinstance(error, LoadError):
            logger.error("the engine's thread died", exc_info=error)
        if not self._reason or self._reason == "loading":
            self._reason = "the engine's thread has ended" + (f": {type(error).__name__}" if error else "")
        self._fail_all(f"the backend is not ready: {self._reason}")
        if self._ended is not None:
            self._ended.set()

    def _fail_all(self, reason: str) -> None:
        if self._compiler is not None:
            self._compiler.close()
        for mailbox in self._mailboxes.values():
            mailbox.close(UnavailableError(reason))
        for scores in self._scores.values():
            if not scores.done():
                scores.set_exception(UnavailableError(reason))


def _load_error(error: BaseException | None) -> BaseException:
    if isinstance(error, LoadError):
        return error
    if error is None:
        return LoadError("closed while loading: load again")
    failure = LoadError(f"the engine could not be built ({type(error).__name__}): see the log for the cause")
    failure.__cause__ = error
    return failure


def _check_config(config: TransformersConfig) -> None:
    if not _DEVICE.fullmatch(config.device):
        raise ValueError(f"device {config.device!r}: one of auto, cpu, cuda, cuda:N")
    if config.dtype not in _DTYPES:
        raise ValueError(f"dtype {config.dtype!r}: one of {', '.join(_DTYPES)}")
    positive = ("max_concurrency", "prefill_chunk", "context_length", "cache_gib", "num_threads")
    for name in positive:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} {value}: must be above 0")
    if config.prefix_cache_gib is not None and config.prefix_cache_gib < 0:
        raise ValueError(f"prefix_cache_gib {config.prefix_cache_gib}: must be 0 or above")
    if config.context_length == 1:
        raise ValueError("context_length 1: no room for a prompt and an answer")
    if config.max_batch_tokens < config.prefill_chunk:
        raise ValueError(f"max_batch_tokens {config.max_batch_tokens}: must be at least prefill_chunk")
