"""One request's outputs, from plan to events: the same on every backend.

Each output has a task that drives the backend and puts events into one list; whoever reads takes all that came since it
last looked. The tasks belong to `run`, and end when its generator is closed.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from array import array
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from backends.base import Backend
from backends.types import FinishReason as BackendFinishReason
from backends.types import GenerationRequest, Grammar, Sampling, Usage
from llama.chat import PYTHON_TAG
from llama.tokenizer import Tokenizer
from services.call import CallPiece, CallStream
from services.errors import DeadlineTooShortError
from services.event import CallDelta, Completed, Delta, Event, Finished, FinishReason, PromptScored
from services.guard.config import GuardMode
from services.pacing import Pace, Turn
from services.telemetry.record import call_record
from services.text import Piece, TextStream

_SEED_MODULUS = 2**64

_END_S = 0.01
"""Before its time ends, an output is handed each token as it comes, so that it ends with all there are."""

_REASONS = {
    BackendFinishReason.STOP: FinishReason.STOP,
    BackendFinishReason.MAX_TOKENS: FinishReason.MAX_TOKENS,
    BackendFinishReason.CONTEXT_LIMIT: FinishReason.CONTEXT_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Continuation:
    """What an output already has.

    Attributes:
        completion_tokens: its count, where this is all of it.
        text_bytes: UTF-8 bytes of its text that were received; None for what the ids tell.
    """

    token_ids: tuple[int, ...] = ()
    completion_tokens: int | None = None
    text_bytes: int | None = None

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to come."""
        return self.completion_tokens is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked request with every default filled in.

    Attributes:
        prompt: ids, the same for all outputs.
        neutralized: places where the input spelled a control token.
        sampling: of output 0; output i has seed + i.
        stop_token_ids: the request's and, unless ignored, the model's.
        grammar: what answers are held to.
        cache_salt: requests whose salts differ share no computed prefix.
        tools: names of the tools that answers may call.
        date: told to the model, as YYYY-MM-DD; None where it is told none.
        guard_modes: of the model's guards, in their order.
        continuations: by output index.
    """

    prompt: tuple[int, ...]
    neutralized: int
    sampling: Sampling
    n: int
    max_tokens: int
    min_tokens: int
    stop_strings: tuple[str, ...]
    stop_token_ids: frozenset[int]
    ignore_eos: bool
    include_stop: bool
    logprobs: int | None
    prompt_logprobs: int | None
    grammar: Grammar | None = None
    cache_salt: str = ""
    tools: frozenset[str] = frozenset()
    date: str | None = None
    guard_modes: tuple[GuardMode, ...] = ()
    continuations: Mapping[int, Continuation] = field(default_factory=dict)

    @property
    def unfinished(self) -> int:
        """How many outputs there are to compute."""
        return self.n - sum(continuation.finished for continuation in self.continuations.values())

    @property
    def tokens(self) -> int:
        """The most that there are to read and write."""
        given = sum(len(continuation.token_ids) for continuation in self.continuations.values())
        return len(self.prompt) + max(0, self.unfinished * self.max_tokens - given)

    def repeated_bytes(self, index: int, told: str) -> int:
        """How many bytes of text the client has of output `index` beside what its ids tell."""
        received = self.continuations[index].text_bytes if index in self.continuations else None
        return 0 if received is None else max(0, received - len(told.encode()))

    def call_id(self, index: int, number: int) -> str:
        """Name a call that output `index` makes: the same after an interruption, another in every other turn."""
        seed = (self.sampling.seed + index) % _SEED_MODULUS
        told = array("Q", (seed, number, *self.prompt))
        return f"call_{hashlib.blake2b(told.tobytes(), digest_size=8).hexdigest()}"

    def request(self, index: int) -> GenerationRequest:
        """What the backend is asked for output `index`."""
        seed = (self.sampling.seed + index) % _SEED_MODULUS
        first = index == min(set(range(self.n)) - {i for i, c in self.continuations.items() if c.finished})
        return GenerationRequest(
            prompt=self.prompt,
            continuation=self.continuations.get(index, Continuation()).token_ids,
            max_tokens=self.max_tokens,
            min_tokens=self.min_tokens,
            sampling=replace(self.sampling, seed=seed),
            stop_token_ids=self.stop_token_ids,
            logprobs=self.logprobs,
            prompt_logprobs=self.prompt_logprobs if first else None,
            grammar=self.grammar,
            cache_salt=self.cache_salt,
        )


class Generation:
    """Runs one plan, once.

    Attributes:
        delivered: text that the client already has, by the index of the resumed outputs.
        closing: once the run has begun: done when its requests hold no slot any more.
    """

    def __init__(self, plan: Plan, backend: Backend, tokenizer: Tokenizer, pace: Pace | None = None) -> None:
        """Read the continuations, which may take long: not for the event loop where they do.

        Args:
            plan: what to compute.
            backend: what computes it.
            tokenizer: the model's.
            pace: how often events are wanted; None for as soon as there are any.
        """
        self._plan = plan
        self._backend = backend
        self._texts = {
            index: TextStream(tokenizer, plan.stop_strings, plan.include_stop, ends=bool(plan.tools))
            for index in range(plan.n)
        }
        python_tag = tokenizer.control_ids.get(PYTHON_TAG)
        self._calls = {index: CallStream(plan.tools, python_tag) for index in range(plan.n if plan.tools else 0)}
        self._events: list[Event] = []
        self._turn = Turn(pace)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._open = {index for index in range(plan.n) if not self._continuation(index).finished}
        self.delivered = {index: self._skip(index) for index in self._open if index in plan.continuations}
        self._produced = False
        self._failure: Exception | None = None
        self._cached_prompt_tokens: int | None = None
        self._out_of_time = False
        self._last_hold = math.inf
        self._begun: set[int] = set()
        self.closing: asyncio.Future[list[BaseException | None]] | None = None

    async def run(
        self, budget_s: float | None, computed: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[list[Event], None]:
        """Yield events in batches: all that came since the last one was taken.

        Args:
            budget_s: seconds until the outputs are ended with what they have; None for no limit.
            computed: called when no request holds a slot any more, whether or not events are taken.

        Raises:
            DeadlineTooShortError: the budget ended before a first token.
            BackendError: what the backend raised, after the events that came before it.
        """
        loop = asyncio.get_running_loop()
        timer = None if budget_s is None else loop.call_later(max(budget_s, 0.0), self._end_time)
        self._last_hold = math.inf if timer is None else timer.when() - _END_S
        self._tasks = {index: loop.create_task(self._drive(index)) for index in sorted(self._open)}
        self.closing = asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self.closing.add_done_callback(lambda _: computed())
        try:
            while True:
                if self._open:
                    await self._turn.wait()
                if self._out_of_time:
                    self._finish_open()
                events, self._events = self._events, []
                if self._failure is not None:
                    if events:
                        yield events
                    raise self._failure
                if not self._open:
                    yield [*events, Completed(self._usage())]
                    return
                if events:
                    yield events
        finally:
            self._turn.close()
            if timer is not None:
                timer.cancel()
            for task in self._tasks.values():
                task.cancel()
            if self._open and not self._out_of_time:  # else nothing may wait for the step that is in progress
                await asyncio.shield(self.closing)

    @property
    def tokens(self) -> int:
        """How many were read and written, so far."""
        given = sum(len(continuation.token_ids) for continuation in self._plan.continuations.values())
        return len(self._plan.prompt) + max(0, sum(text.read for text in self._texts.values()) - given)

    @property
    def whole(self) -> bool:
        """Whether all outputs came to their own ends."""
        return not (self._open or self._out_of_time)

    def block(self, index: int) -> None:
        """End an output with GUARD_BLOCKED, if it has not ended: its backend lets go at once."""
        if index in self._open:
            self._open.discard(index)
            if index in self._tasks:
                self._tasks[index].cancel()
            self._events.append(Finished(index, FinishReason.GUARD_BLOCKED, self._texts[index].read))
            self._turn.call()

    def _continuation(self, index: int) -> Continuation:
        return self._plan.continuations.get(index, Continuation())

    def _skip(self, index: int) -> str:
        """Read what an output already has, and give what of it is text."""
        piece = self._texts[index].skip(self._continuation(index).token_ids)
        return self._calls[index].skip(piece) if index in self._calls else piece.text

    async def _drive(self, index: int) -> None:
        try:
            await self._generate(index)
        except StopAsyncIteration:
            self._fail(RuntimeError("the backend's generator ended without a finish"))
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._turn.call()

    async def _generate(self, index: int) -> None:
        text = self._texts[index]
        given = self._continuation(index).token_ids
        if text.stopped():
            self._finish(index, FinishReason.STOP)
            return
        if given and given[-1] in self._plan.stop_token_ids and len(given) > self._plan.min_tokens:
            self._finish(index, FinishReason.STOP, given[-1])
            return
        if text.read >= self._plan.max_tokens:
            self._finish(index, FinishReason.MAX_TOKENS)
            return
        async with aclosing(self._backend.generate(self._plan.request(index))) as deltas:
            not_before = None
            while index in self._open:
                delta = await deltas.asend(not_before)
                self._produced = True
                if delta.prompt_logprobs:
                    self._events.append(PromptScored(delta.prompt_logprobs))
                ids, stop_id = delta.token_ids, None
                if delta.finish is not None and delta.finish.reason is BackendFinishReason.STOP:
                    stop_id = ids[-1]
                    ids = ids if self._plan.include_stop else ids[:-1]
                before = len(self._events)
                self._emit(index, text.push(ids, delta.logprobs))
                if text.stopped():
                    self._finish(index, FinishReason.STOP)
                    return
                if delta.finish is not None:
                    self._cached_prompt_tokens = delta.finish.usage.cached_prompt_tokens
                    call_record().queued(delta.finish.queue_s)
                    text.read += stop_id is not None and not self._plan.include_stop
                    self._finish(index, _REASONS[delta.finish.reason], stop_id)
                    return
                not_before = self._ask(index, len(self._events) > before)

    def _ask(self, index: int, has_news: bool) -> float | None:
        """Ask for an output's events to be taken, if it has some, and say when its next ones are wanted."""
        if has_news and index not in self._begun:
            self._begun.add(index)
            self._turn.call()
        elif has_news:
            self._turn.ask()
        # What a stop string follows would be computed in vain.
        return None if self._plan.stop_strings else min(self._turn.due, self._last_hold)

    def _emit(self, index: int, piece: Piece) -> None:
        self._add(index, self._calls[index].push(piece) if index in self._calls else [piece])

    def _add(self, index: int, pieces: Iterable[Piece | CallPiece]) -> None:
        for piece in pieces:
            if isinstance(piece, CallPiece):
                call_id = None if piece.name is None else self._plan.call_id(index, piece.number)
                self._events.append(CallDelta(index, piece, call_id))
            elif piece.text or piece.token_ids:
                self._events.append(Delta(index, piece))

    def _finish(self, index: int, reason: FinishReason, stop_id: int | None = None) -> None:
        text = self._texts[index]
        if not text.stopped():
            self._emit(index, text.finish())
        if text.stopped():
            reason, stop_id = FinishReason.STOP, None
        if index in self._calls:
            pieces, counts = self._calls[index].finish(reason is FinishReason.STOP and not text.stopped())
            self._add(index, pieces)
            reason = FinishReason.TOOL_CALLS if counts else reason
        self._open.discard(index)
        self._events.append(Finished(index, reason, text.read, text.stop_string, stop_id))
        self._turn.call()

    def _end_time(self) -> None:
        self._out_of_time = True
        self._turn.call()

    def _finish_open(self) -> None:
        if self._open and not self._produced and not self._plan.continuations:
            raise DeadlineTooShortError
        for index in sorted(self._open):
            self._finish(index, FinishReason.TIME_LIMIT)

    def _usage(self) -> Usage:
        known = {index: c.completion_tokens for index, c in self._plan.continuations.items()}
        completion = sum(known.get(index) or text.read for index, text in self._texts.items())
        return Usage(len(self._plan.prompt), completion, self._cached_prompt_tokens)
