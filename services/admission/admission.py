"""One model's door: who is let in, who waits and for whose turn, and who is sent away, with the time to return."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from services.admission.fair import Entry, FairQueue
from services.admission.forecast import Forecast
from services.errors import InvalidArgumentError, QueueFullError, Violation
from services.identity.origin import Origin
from services.telemetry.record import call_record

_SHORTEST_RETRY_S = 0.1
_LONGEST_RETRY_S = 30.0
_MOST_LAG = 2.0
"""Times as long as forecast that a wait is thought to take at most: short ones vary by more, and would keep all out."""


class Cause(Enum):
    """Why a request was refused."""

    full = "full"
    """As many wait as may."""
    late = "late"
    """It can't be done in its time, or would wait longer than anything may."""
    displaced = "displaced"
    """It waited, and its place was another caller's by right."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks of a model.

    Attributes:
        origin: whose it is.
        outputs: places that it takes while it is computed.
        tokens: the most that it may read and write.
        budget_s: seconds until its end is of no use any more; None for no such time.
    """

    origin: Origin
    outputs: int
    tokens: int
    budget_s: float | None = None


@dataclass(eq=False)
class _Waiting(Entry):
    """A request that waits."""

    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Grant:
    """A place, until it is released.

    Attributes:
        entry: whose it is.
        since: seconds on the clock when it was given.
    """

    def __init__(self, entry: Entry, now: float, give_back: _GiveBack) -> None:
        self.entry = entry
        self.since = now
        self._give_back: _GiveBack | None = give_back

    def release(self, used: int | None = None, *, whole: bool = False) -> None:
        """Give it back, once or more often.

        Args:
            used: tokens; None for not known.
            whole: it came to its own end, so that others may be expected to take as long.
        """
        if self._give_back is not None:
            give_back, self._give_back = self._give_back, None
            give_back(self, used, whole)


_GiveBack = Callable[[Grant, "int | None", bool], None]


class Admission:
    """Lets in as many outputs as are computed at once; the others wait, by fair shares of callers and classes.

    Attributes:
        max_queue: outputs that may wait beyond those that are computed.
        computing: outputs that were let in and have not ended.
        refused: requests, by cause.
        service_time: seconds that outputs hold their places, by the tokens that they were expected to take.
    """

    def __init__(
        self,
        model: str,
        capacity: Callable[[], int | None],
        max_queue: int,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set up.

        Args:
            model: its name.
            capacity: gives the outputs that can be computed at once; None where that isn't known, and nothing waits.
            max_queue: outputs that may wait beyond those.
            max_wait_s: seconds that a request may wait.
            clock: gives seconds.
        """
        self._model = model
        self._capacity = capacity
        self.max_queue = max_queue
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._queue = FairQueue()
        self._next_return = 0.0
        self.computing = 0
        self.refused: Counter[Cause] = Counter()
        self.service_time = Forecast()
        self._lag = Forecast()
        """Seconds that were waited, by those that were expected: who comes later may go first, and be many."""

    @property
    def waiting(self) -> int:
        """Outputs that wait."""
        return self._queue.outputs

    @property
    def admitted(self) -> int:
        """Outputs in the house, computing or waiting."""
        return self.computing + self.waiting

    async def enter(self, demand: Demand) -> Grant:
        """Wait for a place. Cancelling is leaving the queue.

        Raises:
            InvalidArgumentError: there will never be one.
            QueueFullError: there is none in time.
        """
        capacity = self._capacity()
        if capacity is not None and demand.outputs > capacity + self.max_queue:
            most = capacity + self.max_queue
            raise InvalidArgumentError([Violation("n", f"{demand.outputs} outputs; this model takes {most} at once")])
        caller = demand.origin.caller
        entry = _Waiting(caller.name, max(1.0, demand.tokens), demand.outputs, caller.weight, demand.origin.priority)
        waited_s = 0.0
        self.look()
        if not self._queue and self._has_place():
            self._queue.pass_through(entry)
            self.computing += entry.outputs
        else:
            waited_s = await self._wait(entry, demand.budget_s)
        call_record().waited(self._model, waited_s)
        return Grant(entry, self._clock(), self._released)

    def look(self) -> None:
        """Let in whose turn it is: there may be more places than before."""
        while self._queue and self._has_place():
            entry = self._queue.pop()
            self.computing += entry.outputs
            if isinstance(entry, _Waiting):
                entry.turn.set_result(None)

    def _has_place(self) -> bool:
        capacity = self._capacity()
        return capacity is None or self.computing < self._places(capacity)

    def _places(self, capacity: int) -> int:
        """Give how many are let in: a few more than are computed, so that the next one is there when one ends."""
        return capacity + min(-(-capacity // 8), self.max_queue)

    async def _wait(self, entry: _Waiting, budget_s: float | None) -> float:
        """Wait for a turn; gives the seconds that it took."""
        began, ahead_s = self._clock(), self._ahead_s(entry)
        self._queue_up(entry, budget_s, min(self._lag.most(ahead_s, unknown_s=ahead_s), _MOST_LAG * ahead_s))
        try:
            await asyncio.wait([entry.turn], timeout=self._patience_s(entry, budget_s))
        except asyncio.CancelledError:
            self._leave(entry)
            raise
        waited_s = self._clock() - began
        if ahead_s and not (entry.turn.done() and entry.turn.exception()):
            self._lag.add(ahead_s, waited_s)
        if not entry.turn.done():
            self._queue.remove(entry)
            raise self._refusal(Cause.late, entry)
        entry.turn.result()
        return waited_s

    def _leave(self, entry: _Waiting) -> None:
        if not entry.turn.done():
            self._queue.remove(entry)
        elif entry.turn.exception() is None:  # its turn came at the same moment
            self.computing -= entry.outputs
            self._queue.settle(entry, 0.0)
            self.look()

    def _queue_up(self, entry: _Waiting, budget_s: float | None, ahead_s: float) -> None:
        patience_s = self._patience_s(entry, budget_s)
        if ahead_s > patience_s:
            raise self._refusal(Cause.late, entry, ahead_s - patience_s)
        capacity = self._capacity() or 0
        excess = self.admitted + entry.outputs - capacity - self.max_queue
        if excess > 0:
            displaced = self._queue.make_room(entry, excess)
            if not displaced:
                raise self._refusal(Cause.full, entry)
            for each in displaced:
                if isinstance(each, _Waiting):
                    each.turn.set_exception(self._refusal(Cause.displaced, each))
        self._queue.push(entry)

    def _ahead_s(self, entry: Entry) -> float:
        """Estimate the seconds until an entry's turn, were it to join now; a place gets free before the first's."""
        capacity = self._capacity()
        if not capacity:
            return 0.0
        return self.service_time.of(self._queue.ahead(entry) + self.service_time.mean_amount) / capacity

    def _patience_s(self, entry: Entry, budget_s: float | None) -> float:
        """Give the seconds after which it is too late to begin.

        That is when it would hardly end in its time. What wouldn't, even if it began at once, has set itself a time
        that ends it: it may wait for half of it, and gets what the other half brings.
        """
        if budget_s is None:
            return self._max_wait_s
        needed_s = self.service_time.most(entry.cost) / max(1, entry.outputs)
        return min(max(budget_s - needed_s, budget_s / 2 if needed_s > budget_s else 0.0), self._max_wait_s)

    def _refusal(self, cause: Cause, entry: Entry, least_s: float = 0.0) -> QueueFullError:
        """Say when to come back: each who is refused is told a turn of their own, so that they don't meet."""
        self.refused[cause] += 1
        now, gap_s = self._clock(), self.service_time.of(entry.cost) / max(self._capacity() or 1, 1)
        self._next_return = max(self._next_return, now) + gap_s
        if self._next_return > now + _LONGEST_RETRY_S:
            self._next_return = now + max(_LONGEST_RETRY_S / 2, min(gap_s, _LONGEST_RETRY_S))
        after_s = max(least_s, self._next_return - now, _SHORTEST_RETRY_S)
        return QueueFullError(self._model, min(after_s, _LONGEST_RETRY_S))

    def _released(self, grant: Grant, used: int | None, whole: bool) -> None:
        entry = grant.entry
        self.computing -= entry.outputs
        if whole:
            self.service_time.add(entry.cost, (self._clock() - grant.since) * entry.outputs)
        if used is not None:
            self._queue.settle(entry, max(1.0, used))
        self.look()
