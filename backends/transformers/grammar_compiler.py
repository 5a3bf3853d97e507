"""Compiling grammars, which takes milliseconds to many seconds, beside the event loop and beside the step.

xgrammar lets go of Python's lock meanwhile, so a thread is enough. How long it takes is bounded by what the serving
layer lets a grammar be; it can't be interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import xgrammar

from backends.errors import InvalidRequestError, UnavailableError
from backends.transformers.grammar import Follower
from backends.types import GenerationRequest

logger = logging.getLogger(__name__)

_COMPILING = 2
"""Grammars compiled at once. The others wait, and nobody who has none does."""
_REPLAYING = 1
_KEPT_BYTES = 256 * 2**20
_KEPT = 512

T = TypeVar("T")


@dataclass(eq=False)
class _Job:
    """A grammar that is being compiled, for all who wait for it.

    Attributes:
        begun: it can't be called off any more.
        compiled: None at the end where it failed.
    """

    task: asyncio.Task[None] = field(init=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    waiters: int = 0
    begun: bool = False
    compiled: xgrammar.CompiledGrammar | None = None


class GrammarCompiler:
    """Compiles grammars, each once, and keeps those used last. Belongs to the event loop."""

    def __init__(self, vocabulary: xgrammar.TokenizerInfo) -> None:
        threads = max(1, torch.get_num_threads() // 2)
        self._compiler = xgrammar.GrammarCompiler(vocabulary, max_threads=threads, cache_enabled=False)
        self._vocab_size: int = vocabulary.vocab_size
        self._compiling, self._replaying = asyncio.Semaphore(_COMPILING), asyncio.Semaphore(_REPLAYING)
        self._kept: OrderedDict[bytes, xgrammar.CompiledGrammar] = OrderedDict()
        self._kept_bytes = 0
        self._jobs: dict[bytes, _Job] = {}
        self._threads: set[threading.Thread] = set()
        self._closed = False
        self.waiting = 0

    async def follow(self, request: GenerationRequest) -> Follower | None:
        """Give a request its follower, None where it has no grammar.

        Raises:
            InvalidRequestError: the grammar can't be compiled, or does not allow the continuation.
            UnavailableError: closed meanwhile.
        """
        if request.grammar is None:
            return None
        self.waiting += 1
        try:
            compiled = await self._compiled(request.grammar.source)
            if not request.continuation:
                return Follower(compiled, request)
            return await self._replayed(compiled, request)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """End those who wait."""
        self._closed = True
        for job in self._jobs.values():
            job.task.cancel()
            job.ended.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for what is being compiled, and tell whether it ended."""
        deadline = time.monotonic() + timeout_s
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    async def _compiled(self, source: str) -> xgrammar.CompiledGrammar:
        key = hashlib.sha256(source.encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job()
            job.task = asyncio.create_task(self._work(job, key, source), name="compile a grammar")
        job.waiters += 1
        try:
            await job.ended.wait()
        finally:
            job.waiters -= 1
            if not job.waiters and not job.begun:
                job.task.cancel()
                self._jobs.pop(key, None)
        if job.compiled is None and not self._closed:
            raise InvalidRequestError("grammar", "can't be followed with this model's vocabulary")
        if job.compiled is None:
            raise UnavailableError("the backend is closing")
        return job.compiled

    async def _work(self, job: _Job, key: bytes, source: str) -> None:
        try:
            async with self._compiling:
                job.begun = True
                job.compiled = await self._in_thread(self._compile, source)
            if job.compiled is not None:
                self._keep(key, job.compiled)
        finally:
            if self._jobs.get(key) is job:
                del self._jobs[key]
            job.ended.set()

    def _compile(self, source: str) -> xgrammar.CompiledGrammar | None:
        started = time.monotonic()
        try:
            compiled = self._compiler.compile_grammar(source)
        except Exception as error:  # noqa: BLE001 - the library raises what it likes, and quotes the grammar
            logger.warning("a grammar of %d characters didn't compile: %s", len(source), type(error).__name__)
            return None
        probe = xgrammar.GrammarMatcher(compiled, override_stop_tokens=[0])
        bitmask = xgrammar.allocate_token_bitmask(1, self._vocab_size)
        probe.fill_next_token_bitmask(bitmask)
        logger.debug("compiled a grammar of %d characters in %.2f s", len(source), time.monotonic() - started)
        return compiled if bool(bitmask.any()) else None

    def _keep(self, key: bytes, compiled: xgrammar.CompiledGrammar) -> None:
        self._kept[key] = compiled
        self._kept_bytes += compiled.memory_size_bytes
        while len(self._kept) > _KEPT or (self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1):
            self._kept_bytes -= self._kept.popitem(last=False)[1].memory_size_bytes

    async def _replayed(self, compiled: xgrammar.CompiledGrammar, request: GenerationRequest) -> Follower:
        async with self._replaying:
            outcome = await self._in_thread(_follower, compiled, request)
        if isinstance(outcome, InvalidRequestError):
            raise outcome
        return outcome

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call on a thread that nobody waits for at the end of the process."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def tell(result: T | None, error: Exception | None) -> None:
            self._threads.discard(thread)
            if outcome.done():
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)  # type: ignore[arg-type]

        def work() -> None:
            result: T | None = None
            failure: Exception | None = None
            try:
                result = function(*arguments)
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(tell, result, failure)

        thread = threading.Thread(target=work, name="paddock-grammar", daemon=True)
        self._threads.add(thread)
        thread.start()
        return await outcome


def _follower(compiled: xgrammar.CompiledGrammar, request: GenerationRequest) -> Follower | InvalidRequestError:
    try:
        return Follower(compiled, request)
    except InvalidRequestError as error:
        return error
