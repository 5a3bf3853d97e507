"""What the fake's `generate_async` returns, with the semantics of 1.2.1's `executor/result.py`, traps included.

The object that comes out of the iterator is always the same one; what is in it is cumulative, and the `*_diff`
properties are about the last step only. Nothing is aborted unless `abort` is called.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from dataclasses import dataclass, field


class RequestError(RuntimeError):
    """One request failed; the engine goes on."""


@dataclass
class Logprob:
    """As recorded: entries of `CompletionOutput.logprobs` are {token id: Logprob}."""

    logprob: float
    rank: int | None = None


@dataclass
class Response:
    """What the engine's thread says of one request after a step."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[dict[int, Logprob]] = field(default_factory=list)
    finish_reason: str | None = None
    stop_ids: list[int] = field(default_factory=list)
    cached_tokens: int = 0
    error: Exception | None = None


class CompletionOutput:
    """One answer so far."""

    def __init__(self, index):
        self.index = index
        self.text = ""
        self.token_ids = []
        self.cumulative_logprob = None
        self.logprobs = []
        self.prompt_logprobs = []
        self.finish_reason = None
        self.stop_reason = None
        self.generation_logits = None
        self.additional_context_outputs = None
        self.additional_generation_outputs = None
        self.disaggregated_params = None
        self.request_perf_metrics = None
        self._postprocess_result = None
        self._text_before = self._ids_before = self._logprobs_before = 0

    @property
    def length(self):
        return len(self.token_ids)

    @property
    def text_diff(self):
        return self.text[self._text_before :]

    @property
    def token_ids_diff(self):
        return self.token_ids[self._ids_before :]

    @property
    def logprobs_diff(self):
        return self.logprobs[self._logprobs_before :]


class _AsyncQueue:
    """Filled on the loop it was made on, by way of `call_soon_threadsafe`."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self._responses = deque()
        self._some = asyncio.Event()

    def put(self, response):
        self._responses.append(response)
        self._some.set()

    async def get(self):
        while not self._responses:
            self._some.clear()
            await self._some.wait()
        return self._responses.popleft()


class RequestOutput:
    """A request on its way; also its iterator, its future and its result."""

    def __init__(self, llm, request_id, prompt_token_ids, sampling_params):
        self.id = self.request_id = request_id
        self.prompt_token_ids = prompt_token_ids
        self.sampling_params = sampling_params
        self.outputs = [CompletionOutput(index) for index in range(sampling_params.n)]
        self.context_logits = None
        self.mm_embedding_handle = None
        self.decoding_iter = 0
        self.cached_tokens = 0
        self.avg_decoded_tokens_per_iter = None
        self.metrics_dict = {}
        self.trace_headers = None
        self.disaggregated_params = None
        self.finished = False
        self._llm = llm
        self._aborted = False
        self._queue = queue.Queue()
        try:
            self._aqueue = _AsyncQueue()
        except RuntimeError:  # no running loop: then there is no async queue, now or later
            self._aqueue = None

    def abort(self):
        """Ask the engine to end it; a last step with `cancelled` follows."""
        self._aborted = True
        self._llm.engine.cancel(self.id)

    def aborted(self):
        return self._aborted

    def result(self, timeout=None):
        """Block until finished. The timeout is ignored, as it is there."""
        while not self.finished:
            self._handle(self._queue.get())
        return self

    async def aresult(self):
        while not self.finished:
            await self._step()
        return self

    def __await__(self):
        return self.aresult().__await__()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.finished:
            raise StopAsyncIteration
        await self._step()
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.finished:
            raise StopIteration
        self._handle(self._queue.get())
        return self

    async def _step(self):
        assert self._aqueue is not None, "The asyncio event loop was not present during initialization"
        self._handle(await self._aqueue.get())

    def _handle(self, response):
        if response.error is not None:
            raise response.error  # and it is not `finished`: whoever waits for that waits for ever
        output, params = self.outputs[0], self.sampling_params
        output._ids_before, output._logprobs_before = len(output.token_ids), len(output.logprobs)
        output._text_before = len(output.text)
        self.decoding_iter += 1
        self.cached_tokens = response.cached_tokens
        output.token_ids.extend(response.token_ids)
        output.logprobs.extend(response.logprobs)
        if params.detokenize:
            output.text += self._llm.text_of(response.token_ids)
        if response.finish_reason is not None:
            self.finished = True
            output.finish_reason = response.finish_reason
        if response.stop_ids:
            self._cut(output, response.stop_ids)

    def _cut(self, output, stop_ids):
        """What matched a stop is cut off again; what of it went out with earlier steps has leaked."""
        output.stop_reason = stop_ids[0] if len(stop_ids) == 1 else self._llm.text_of(stop_ids)
        if not self.sampling_params.include_stop_str_in_output:
            del output.token_ids[-len(stop_ids) :]
            if self.sampling_params.detokenize:
                output.text = output.text[: -len(self._llm.text_of(stop_ids))]


class IterationResult:
    """The statistics of iterations: one iterator for all, which a silence ends until there is another request."""

    def __init__(self, iteration):
        self._iteration = iteration
        self._done = False
        self._timeout = 2

    def set_timeout(self, timeout):
        self._timeout = timeout

    def mark_undone(self):
        self._done = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._done:
            raise StopAsyncIteration
        ends = asyncio.get_running_loop().time() + self._timeout
        while asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(min(0.001, self._timeout))
            entry = self._iteration()
            if entry is not None:
                return entry
        self._done = True
        raise StopAsyncIteration


def deliver(responses):
    """Hand a step's responses over, once per loop as there; called on the engine's thread."""
    by_loop = {}
    for result, response in responses:
        result._queue.put(response)
        if result._aqueue is not None:
            by_loop.setdefault(result._aqueue.loop, []).append((result._aqueue, response))
    for loop, entries in by_loop.items():
        try:
            loop.call_soon_threadsafe(_put_all, entries)
        except RuntimeError:  # the loop is closed: nobody listens
            continue


def _put_all(entries):
    for aqueue, response in entries:
        aqueue.put(response)
