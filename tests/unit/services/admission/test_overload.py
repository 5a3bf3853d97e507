"""Ten times as much as can be done, on a clock that jumps: what is done, for whom, and what the others are told."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from services.admission.admission import Admission, Demand
from services.errors import QueueFullError
from services.identity.caller import Caller
from services.identity.origin import Origin

SLOTS = 8
TOKENS = 100
DEADLINE_S = 4.0
SPAN_S = 40.0
LIGHT = ("light 1", "light 2", "light 3")


class Jumping(selectors.DefaultSelector):
    """Sleeps no longer than it takes to say so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        """Let the time pass that would be waited for."""
        self.now += max(0.0, timeout or 0.0)
        return super().select(0)


def in_no_time(work: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine on a loop whose time jumps to the next timer."""
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    try:
        loop.run_until_complete(work())
    finally:
        loop.close()


@dataclass
class Request:
    """One that was made: when, by whom, and when it ended, was refused and told to return."""

    caller: str
    sent: float
    waited_s: float = 0.0
    ended_s: float | None = None
    retry_s: float | None = None

    @property
    def good(self) -> bool:
        """Whether it was answered in time."""
        return self.ended_s is not None and self.ended_s <= DEADLINE_S


class Model:
    """Computes so many at once, a second each for the mean one."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time
        self.admission = Admission("m", lambda: SLOTS, 256, 60.0, loop.time)
        self._slots = asyncio.Semaphore(SLOTS)
        self._rng = random.Random(2)
        self.requests: list[Request] = []

    async def ask(self, caller: str, deadline_s: float | None = DEADLINE_S) -> None:
        """Make a request."""
        request = Request(caller, self.now())
        self.requests.append(request)
        try:
            grant = await self.admission.enter(Demand(Origin(Caller(caller)), 1, 2 * TOKENS, deadline_s))
        except QueueFullError as error:
            request.retry_s, request.waited_s = error.retry_after_s, self.now() - request.sent
            return
        request.waited_s = self.now() - request.sent
        tokens = self._rng.uniform(0.5, 1.5) * TOKENS
        async with self._slots:
            seconds = tokens / TOKENS
            left_s = DEADLINE_S - (self.now() - request.sent) if deadline_s else seconds
            await asyncio.sleep(min(seconds, max(0.0, left_s)))
        grant.release(round(tokens), whole=seconds <= left_s)
        if seconds <= left_s:
            request.ended_s = self.now() - request.sent

    async def load(self, rates: dict[str, float]) -> list[Request]:
        """Let requests arrive as a Poisson process; give those of the middle of the time."""
        rng, tasks, began = random.Random(1), [], self.now()
        while self.now() - began < SPAN_S:
            await asyncio.sleep(rng.expovariate(sum(rates.values())))
            (caller,) = rng.choices(list(rates), list(rates.values()))
            tasks.append(asyncio.ensure_future(self.ask(caller)))
        await asyncio.gather(*tasks)
        return [request for request in self.requests if DEADLINE_S <= request.sent - began < SPAN_S - DEADLINE_S]


def times(load: float) -> dict[str, float]:
    """Give the requests per second of callers who together ask for so many times the capacity."""
    light = dict.fromkeys(LIGHT, SLOTS / 8)
    return {**light, "heavy": load * SLOTS - sum(light.values())}


@pytest.mark.parametrize("load", [2, 10])
def test_as_much_is_done_as_ever_and_each_caller_gets_a_share(load):
    async def run() -> None:
        model = Model()
        seen = await model.load(times(load))
        span_s = SPAN_S - 2 * DEADLINE_S
        good = [request for request in seen if request.good]
        begun = [request for request in seen if request.retry_s is None]
        refused = [request for request in seen if request.retry_s is not None]

        assert len(good) >= 0.95 * SLOTS * span_s
        assert len(good) >= 0.9 * len(begun), "little is computed in vain"
        for caller in LIGHT:
            own = [request for request in seen if request.caller == caller]
            assert sum(request.good for request in own) >= 0.95 * len(own)
            assert sorted(request.waited_s for request in own)[len(own) // 2] <= 1.0
        at_once = [request for request in refused if request.waited_s == 0]
        assert len(at_once) >= 0.9 * len(refused)
        assert all(0.1 <= request.retry_s <= 30.0 for request in refused)
        assert (model.admission.computing, model.admission.waiting) == (0, 0)

    in_no_time(run)


def test_who_comes_back_when_told_is_served_in_the_end():
    async def run() -> None:
        model = Model()
        await model.load(times(10))
        done: list[float] = []

        async def patient() -> None:
            while True:
                before = len(model.requests)
                await model.ask("patient")
                request = model.requests[before]
                if request.good:
                    done.append(model.now())
                    return
                await asyncio.sleep(request.retry_s or 1.0)

        await asyncio.gather(*(patient() for _ in range(200)))
        assert len(done) == 200

    in_no_time(run)
