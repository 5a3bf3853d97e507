"""The TensorRT-LLM backend: its face toward the event loop. Imports nothing of TensorRT-LLM's."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from backends.base import PROBE, Backend, Deltas, check_request
from backends.errors import ComputeError, ContextLengthError, InvalidRequestError, LoadError, UnavailableError
from backends.tensorrt_llm.config import TensorrtLlmConfig, configured
from backends.tensorrt_llm.engine_flow import EngineFlow
from backends.tensorrt_llm.flow import Flow
from backends.tensorrt_llm.pytorch_flow import PytorchFlow
from backends.tensorrt_llm.ticket import EngineAnswerError, Ticket
from backends.types import Capabilities, Feature, GenerationRequest, Health

logger = logging.getLogger(__name__)

MAX_LOGPROBS = 20
_PROGRESS_S = 5.0
_ABORT_S = 5.0
"""How long an aborted request may take to leave the engine before its slot is given away all the same."""
_CLOSE_S = 8.0  # below the default of `server.close_s`, so that the warning here is seen
_HEALTH_S = 1.0
_PROBE_S = 0.1
_USAGE_S = 0.2
"""How long statistics are left alone once they have ended; 1.2 gathers them for so long too."""


class TensorrtLlmBackend(Backend):
    """Serves a checkpoint, or a compiled engine, through TensorRT-LLM 1.2.x.

    For the arguments see `TensorrtLlmConfig`.

    Raises:
        TypeError, ValueError: an argument is unknown or outside its range.
    """

    def __init__(self, **settings: Any) -> None:
        self._config: TensorrtLlmConfig = configured(settings)
        self._reason = "not loaded"
        self._flow: Flow | None = None
        self._capabilities: Capabilities | None = None
        self._waiting: deque[Ticket] = deque()
        self._running: set[Ticket] = set()
        self._probing: asyncio.Task[None] | None = None
        self._checking = 0
        self._iterations = 0
        self._answers = 0
        self._cache_usage: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Future[None] | None = None

    async def load(self) -> Capabilities:
        """Construct the vendor's LLM on a thread of its own; it warms up by itself."""
        if self._reason != "not loaded":
            raise LoadError(f"load is called once, and this backend is {self._reason}: build another one")
        self._reason = "loading"
        flow = EngineFlow(self._config) if self._config.engine is not None else PytorchFlow(self._config)
        try:
            await self._started(flow)
        except BaseException as error:
            self._reason = "loading failed" if self._reason == "loading" else self._reason
            if isinstance(error, (LoadError, asyncio.CancelledError)):
                raise
            logger.error("TensorRT-LLM could not load the model", exc_info=error)
            raise LoadError(
                f"TensorRT-LLM could not load the model ({type(error).__name__}): see the log for the cause"
            ) from error
        self._flow = flow
        self._capabilities = Capabilities(
            context_length=flow.model.context_length,
            vocab_size=flow.model.shape.vocabulary,
            max_concurrency=self._config.max_concurrency,
            features=flow.features,
            max_logprobs=MAX_LOGPROBS if Feature.LOGPROBS in flow.features else 0,
            device="cuda",
            dtype=flow.model.dtype,
            seeding=flow.seeding,
            resumes_grammar=False,
        )
        self._reason = ""
        self._tasks.append(asyncio.create_task(self._watch(flow), name="watch the engine"))
        if self._config.statistics.enabled and self._config.engine is None:
            self._tasks.append(asyncio.create_task(self._follow_usage(flow), name="follow the engine's statistics"))
        return self._capabilities

    def health(self) -> Health:
        """See `Backend.health`."""
        waiting = len(self._waiting) + self._checking
        return Health(not self._reason, len(self._running), waiting, self._reason, self._cache_usage)

    async def close(self) -> None:
        """See `Backend.close`. Waits for the engine to end, at most 8 s."""
        self._stop("closed")
        if self._flow is None:
            return
        if self._closing is None:
            self._closing = _on_thread(self._flow.shutdown, "tensorrt-llm-close")
        if not (await asyncio.wait([self._closing], timeout=_CLOSE_S))[0]:
            logger.warning("TensorRT-LLM did not end within %g s; it is left behind", _CLOSE_S)
        elif self._closing.exception() is not None:
            logger.warning("TensorRT-LLM did not end cleanly (%s)", type(self._closing.exception()).__name__)

    async def generate(self, request: GenerationRequest) -> Deltas:
        """See `Backend.generate`."""
        if self._reason or self._capabilities is None:
            raise UnavailableError(f"the backend is not ready: {self._reason}")
        check_request(request, self._capabilities)
        await self._check(request)
        ticket = Ticket(request)
        self._waiting.append(ticket)
        self._admit()
        try:
            not_before = None
            while True:
                delta = await ticket.take(not_before)
                not_before = yield delta
                if delta.finish is not None:
                    return
        finally:
            await self._leave(ticket)

    async def _started(self, flow: Flow) -> None:
        """Wait for a flow's start; one that is cancelled or closed meanwhile ends the engine as soon as it is there."""
        started = time.monotonic()
        starting = _on_thread(flow.start, "tensorrt-llm-load")
        try:
            while not (await asyncio.wait([starting], timeout=_PROGRESS_S))[0]:
                logger.info("still loading %s, %.0f s so far", self._config.checkpoint, time.monotonic() - started)
            starting.result()
            if self._reason != "loading":
                raise LoadError(f"loading was overtaken, {self._reason}: build and load another backend")
        except BaseException:
            starting.add_done_callback(lambda _: _on_thread(flow.shutdown, "tensorrt-llm-close"))
            raise

    async def _check(self, request: GenerationRequest) -> None:
        """Refuse what only this engine can't compute, or computes otherwise than asked."""
        given = len(request.prompt) + len(request.continuation)
        if not self._config.chunked_prefill and given > self._config.max_batch_tokens:
            raise ContextLengthError(given, self._config.max_batch_tokens)
        if request.grammar is None:
            return
        if self._flow is None or self._flow.model.end_token_id not in request.stop_token_ids:
            raise InvalidRequestError("stop_token_ids", "must hold the model's end token, which ends a form")
        self._checking += 1
        try:
            # The engine would find a mistake too late: when the request has a slot.
            await _on_thread(lambda: _parse(request), "tensorrt-llm-grammar")
        finally:
            self._checking -= 1
        if self._reason:
            raise UnavailableError(f"the backend is not ready: {self._reason}")

    def _admit(self) -> None:
        """Submit those who wait longest while slots are free."""
        while self._waiting and len(self._running) < self._config.max_concurrency:
            ticket = self._waiting.popleft()
            ticket.admit()
            self._running.add(ticket)
            ticket.reading = asyncio.create_task(self._read(ticket))
            # Not a `finally` of the task: one that is cancelled before its first step has none.
            ticket.reading.add_done_callback(functools.partial(self._release, ticket))

    def _release(self, ticket: Ticket, _: asyncio.Task[None]) -> None:
        self._running.discard(ticket)
        self._admit()

    async def _read(self, ticket: Ticket) -> None:
        """Submit a request and read its steps as they come, whether or not its consumer keeps up."""
        flow = self._flow
        try:
            if flow is not None:
                ticket.output = flow.submit(ticket.request)
                async for output in ticket.output:
                    self._answers += 1
                    if not ticket.left:
                        ticket.add(output)
                if not ticket.left and not ticket.has_ended:
                    raise EngineAnswerError("ended without a finish reason")
        except Exception as error:  # noqa: BLE001 - the vendor's code raises what it likes
            await self._fail(ticket, error)

    async def _fail(self, ticket: Ticket, error: Exception) -> None:
        if isinstance(error, EngineAnswerError) or (self._flow is not None and self._flow.is_of_request(error)):
            logger.warning("a request failed in the engine (%s)", type(error).__name__)
            logger.debug("the engine's words: %s", error)  # they may quote the request
            if ticket.output is not None:
                if not ticket.output.finished:
                    ticket.output.abort()
                await self._probed()
            ticket.fail(ComputeError("TensorRT-LLM could not compute this request"))
        elif not self._reason:
            logger.error("the engine died", exc_info=error)
            self._stop(f"the engine died ({type(error).__name__})")

    async def _probed(self) -> None:
        """Return once anything is computed. If nothing is, everything ends, the caller's task too."""
        if self._probing is None and self._flow is not None:
            self._probing = asyncio.create_task(self._probe(self._flow), name="probe the engine")
        answers, probing = self._answers, self._probing
        while probing is not None and not probing.done() and self._answers == answers:
            await asyncio.wait([probing], timeout=_PROBE_S)

    async def _probe(self, flow: Flow) -> None:
        """Give the engine up if it fails this too, and nobody has an answer meanwhile. Silence is `_watch`'s."""
        answers = self._answers
        try:
            async for _ in flow.submit(PROBE):
                self._answers += 1
        except Exception as error:
            if self._answers == answers and not self._reason:
                logger.error("the engine computes nothing any more", exc_info=error)
                self._stop("the engine fails every request")
        finally:
            self._probing = None

    async def _leave(self, ticket: Ticket) -> None:
        """Free what a ticket holds, and return once it is free. If cancelled meanwhile, it is freed all the same."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        if ticket not in self._running or ticket.reading is None:
            return
        ticket.left = True
        if ticket.output is None:  # not submitted yet
            ticket.reading.cancel()
        elif not ticket.output.finished:
            ticket.output.abort()
            given_up = asyncio.get_running_loop().call_later(_ABORT_S, self._give_up, ticket.reading)
            ticket.reading.add_done_callback(lambda _: given_up.cancel())
        await asyncio.wait([ticket.reading])

    def _give_up(self, reading: asyncio.Task[None]) -> None:
        logger.warning("the engine did not confirm within %g s that it aborted a request", _ABORT_S)
        reading.cancel()

    def _stop(self, reason: str) -> None:
        """End everything; the first reason stays until `close` gives the last."""
        self._reason = reason
        tickets = [*self._waiting, *self._running]
        self._waiting.clear()
        for task in (*self._tasks, self._probing):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        for ticket in tickets:
            ticket.fail(UnavailableError(f"the backend is not ready: {reason}"))
            ticket.left = True
            if ticket.reading is not None and ticket.reading is not asyncio.current_task():
                ticket.reading.cancel()
        self._running.clear()

    async def _watch(self, flow: Flow) -> None:
        """Notice an engine that dies while nobody asks it anything, or gives no sign of life to those who do."""
        signs, silent = 0, 0.0
        while flow.is_healthy() and silent < self._config.silence_s:
            await asyncio.sleep(_HEALTH_S)
            if self._answers + self._iterations != signs:
                signs, silent = self._answers + self._iterations, 0.0
            elif self._running or self._probing:
                silent += _HEALTH_S
        reason = "the engine died" if silent < self._config.silence_s else "the engine fell silent"
        logger.error(reason)
        self._stop(reason)

    async def _follow_usage(self, flow: Flow) -> None:
        try:
            while True:
                answers = self._answers
                await asyncio.sleep(_USAGE_S)
                if self._answers == answers:
                    continue
                async for usage in flow.cache_usage():
                    self._iterations += 1
                    self._cache_usage = usage
        except Exception as error:  # noqa: BLE001 - statistics are no reason to fail
            logger.warning("the engine gives no statistics (%s)", type(error).__name__)
        finally:
            self._cache_usage = None


def _parse(request: GenerationRequest) -> None:
    import xgrammar

    try:
        xgrammar.Grammar.from_ebnf(request.grammar.source if request.grammar else "")
    except Exception as error:
        raise InvalidRequestError("grammar", "can't be followed with this model's vocabulary") from error


def _on_thread(function: Callable[[], None], name: str) -> asyncio.Future[None]:
    """Run on a thread that neither the loop's end nor the process's waits for."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[None] = loop.create_future()
    outcome.add_done_callback(
        lambda done: done.cancelled() or done.exception()
    )  # seen, though nobody may wait any more

    def settle(error: BaseException | None) -> None:
        if outcome.cancelled():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            function()
        except BaseException as raised:  # noqa: BLE001 - whoever waits must learn of it
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome
