"""The simulator: the backend contract, kept in full by a toy.

One task steps through all running requests at a steady pace, as a continuously batching engine does. Everything
happens on the event loop, so there are no locks; a backend that computes in a thread hands its results over to
the loop once per step, and is otherwise built the same.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence

from backends.base import Backend, Bell, Deltas, check_request, check_windows
from backends.errors import BackendError, ComputeError, LoadError, UnavailableError, UnsupportedError
from backends.simulator.answer import Answer
from backends.simulator.config import Fault
from backends.simulator.model import CANDIDATES, ToyModel, class_logits
from backends.types import Capabilities, Feature, GenerationRequest, Health

BREATH_S = 0.002
"""How long a step computes before it lets the event loop do something else."""
MADE_UP_S = 0.02
"""How much lateness later steps make up for: a timer fires up to a millisecond late, which is many a step."""
PROGRESS_S = 2.0
"""Time between two lines of `load`'s progress."""

_logger = logging.getLogger(__name__)


class _Ticket:
    """A request between its arrival and its end: an answer, and the bell that wakes its consumer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.bell = Bell()
        self.arrived = asyncio.get_running_loop().time()
        self.ready_at = math.inf
        self.error: BackendError | None = None


class SimulatorBackend(Backend):
    """Deterministic tokens at a configured pace, with faults on demand.

    The arguments are the fields of `SimulatorConfig`, with its defaults; they are described there.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 128_256,
        first_token_id: int = 0,
        last_token_id: int = 127_999,
        context_length: int = 131_072,
        max_concurrency: int = 256,
        load_time_s: float = 0.0,
        time_to_first_token_s: float = 0.0,
        time_per_token_s: float = 0.0,
        script: Sequence[int] = (),
        echo_from: int | None = None,
        num_labels: int = 0,
        lacking: Sequence[Feature] = (),
        fault: Fault = Fault.NONE,
        fault_at_token: int = 0,
    ) -> None:
        if min(context_length - 1, max_concurrency) < 1:
            raise ValueError("context_length must be at least 2, max_concurrency at least 1")
        self._model = ToyModel(vocab_size, first_token_id, last_token_id)
        self._capabilities = Capabilities(
            context_length=context_length,
            vocab_size=vocab_size,
            max_concurrency=max_concurrency,
            features=frozenset(Feature) - {Feature.GRAMMAR} - frozenset(lacking),
            max_logprobs=CANDIDATES,
            generates=num_labels == 0,
            classifies=num_labels > 0,
            labels=tuple(f"LABEL_{index}" for index in range(num_labels)),
            device="cpu",
            dtype="none",
        )
        self._load_time_s = load_time_s
        self._time_to_first_token_s = time_to_first_token_s
        self._time_per_token_s = time_per_token_s
        self._script = tuple(script) or None
        self._echo_from = echo_from
        self._num_labels = num_labels
        self._fault = fault
        self._has_fault = fault is not Fault.NONE
        self._fault_at_token = fault_at_token

        self._not_ready = "not loaded"
        self._waiting: deque[_Ticket] = deque()
        self._running: dict[_Ticket, None] = {}
        self._work = asyncio.Event()
        self._stepping: asyncio.Task[None] | None = None

    async def load(self) -> Capabilities:
        """Pretend to load for `load_time_s`, then start stepping.

        Raises:
            LoadError: by `Fault.FAIL_AT_LOAD`, at a second call, and when closed meanwhile.
        """
        if self._not_ready != "not loaded":
            raise LoadError("load is called once; construct another simulator instead")
        self._not_ready = "loading"
        await self._pass_load_time()
        if self._fault is Fault.FAIL_AT_LOAD:
            self._not_ready = "load failed"
            raise LoadError("the simulator was told to fail at load; set fault to NONE")
        if self._not_ready != "loading":
            raise LoadError("closed while loading; construct another simulator instead")
        self._stepping = asyncio.create_task(self._step_forever(), name="simulator steps")
        self._not_ready = ""
        return self._capabilities

    def health(self) -> Health:
        """Tell the state."""
        return Health(not self._not_ready, len(self._running), len(self._waiting), self._not_ready)

    async def close(self) -> None:
        """End all requests with `UnavailableError` and stop stepping."""
        self._stop("closed")
        if self._stepping is not None:
            self._stepping.cancel()
            await asyncio.wait({self._stepping})

    async def generate(self, request: GenerationRequest) -> Deltas:
        """Produce one answer: wait for a slot, then yield what each step brings."""
        if not self._capabilities.generates:
            raise UnsupportedError("generate")
        self._refuse_unless_ready()
        check_request(request, self._capabilities)
        ticket = _Ticket(Answer(request, self._model, self._plan(request), self._capabilities.context_length))
        self._waiting.append(ticket)
        self._admit()
        try:
            not_before = None
            while True:
                await ticket.bell.wait(not_before)
                if ticket.answer.has_news:
                    delta = ticket.answer.take()
                    not_before = yield delta
                    if delta.finish:
                        return
                elif ticket.error:
                    raise ticket.error
        finally:  # reached on the last delta, an error, `aclose` and cancellation alike
            self._remove(ticket)

    async def classify(self, windows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Score windows by a hash of their ids.

        Raises:
            UnsupportedError: `num_labels` is 0.
            UnavailableError: not loaded, or closed.
            InvalidRequestError: a window is empty, too long, or holds an id out of range.
        """
        if not self._capabilities.classifies:
            raise UnsupportedError("classify")
        self._refuse_unless_ready()
        check_windows(windows, self._capabilities)
        return [class_logits(window, self._num_labels) for window in windows]

    async def _pass_load_time(self) -> None:
        left_s = self._load_time_s
        while left_s > 0:
            _logger.info("simulating a load, %.1f s left", left_s)
            await asyncio.sleep(min(PROGRESS_S, left_s))
            left_s -= PROGRESS_S

    def _refuse_unless_ready(self) -> None:
        if self._not_ready:
            raise UnavailableError(f"the simulator computes nothing: {self._not_ready}")

    def _plan(self, request: GenerationRequest) -> tuple[int, ...] | None:
        if self._script is None and self._echo_from is not None:
            return request.prompt[self._echo_from :]
        return self._script

    def _admit(self) -> None:
        """Give free slots to those who wait, first come first served."""
        now = asyncio.get_running_loop().time()
        while self._waiting and len(self._running) < self._capabilities.max_concurrency:
            ticket = self._waiting.popleft()
            ticket.answer.queue_s = now - ticket.arrived
            ticket.ready_at = now + self._time_to_first_token_s
            self._running[ticket] = None
            self._work.set()

    def _remove(self, ticket: _Ticket) -> None:
        """Free what a ticket holds: its slot, its place in the queue, or nothing any more."""
        if ticket in self._running:
            del self._running[ticket]
            self._admit()
        elif ticket in self._waiting:
            self._waiting.remove(ticket)

    def _end(self, ticket: _Ticket, error: BackendError | None) -> None:
        """Free a ticket's slot; its consumer takes what there is, and then the error."""
        ticket.error = error
        ticket.bell.end()
        self._remove(ticket)

    def _stop(self, why: str) -> None:
        """End everything."""
        self._not_ready = why
        tickets = [*self._running, *self._waiting]
        self._running.clear()
        self._waiting.clear()
        for ticket in tickets:
            self._end(ticket, UnavailableError(f"the simulator stopped: {why}"))

    async def _step_forever(self) -> None:
        """Step whenever something is ready and the pace allows. The only task; `close` cancels it."""
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            ready_at = min((ticket.ready_at for ticket in self._running), default=math.inf)
            if ready_at == math.inf:
                self._work.clear()
                await self._work.wait()
                due = 0.0
                continue
            due = max(due + self._time_per_token_s, ready_at, loop.time() - MADE_UP_S)
            await asyncio.sleep(due - loop.time())
            await self._step(max(due, loop.time()))

    async def _step(self, now: float) -> None:
        """Advance each running request by one token, pausing for the event loop's other work."""
        clock, running = time.perf_counter, self._running
        pause_at = clock() + BREATH_S
        for ticket in tuple(running):
            if ticket.ready_at <= now and ticket in running:
                self._advance(ticket)
            if clock() >= pause_at:
                await asyncio.sleep(0)
                pause_at = clock() + BREATH_S

    def _advance(self, ticket: _Ticket) -> None:
        answer = ticket.answer
        if self._has_fault and answer.position >= self._fault_at_token:
            self._strike(ticket)
            return
        try:
            is_news = answer.advance()
        except Exception as error:
            _logger.exception("a request's computation failed")
            self._end(ticket, ComputeError(f"the simulator has a bug: {type(error).__name__}"))
            return
        if answer.finish:
            self._end(ticket, None)
        elif is_news:
            ticket.bell.ring()

    def _strike(self, ticket: _Ticket) -> None:
        if self._fault is Fault.FAIL_AT_TOKEN:
            self._end(ticket, ComputeError(f"the simulator was told to fail at token {self._fault_at_token}"))
        elif self._fault is Fault.HANG_AT_TOKEN:
            ticket.ready_at = math.inf
        elif self._fault is Fault.DIE_AT_TOKEN:
            self._stop(f"it was told to die at token {self._fault_at_token}")
