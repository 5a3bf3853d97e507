"""When streams write: each at once while the process has few writes to make, by turns when it has many.

A message costs many times what a token in it costs. So the number of messages a second is what is bounded, for the
process; what gathers meanwhile leaves in one. Streams that write seldom never wait.
"""

from __future__ import annotations

import asyncio
import math

LONGEST_S = 0.25
"""No stream waits longer for its turn, however many there are."""

_TICK_S = 0.005
"""Turns that are waited for begin at multiples of it, so that one wake-up of the process serves several streams."""


class Pace:
    """Gives out turns to write: one per `1 / writes_per_s` seconds, by a clock that never lags behind the real one.

    A stream that writes is given the next free turn. While writes are fewer than the bound, that clock stands with
    the real one, and the next turn is now. When they would be more, it runs ahead by as much as all streams need for a
    turn each: all wait alike.
    """

    def __init__(self, writes_per_s: float) -> None:
        self._gap_s = 1 / writes_per_s
        self._next = -math.inf

    def turn(self, now: float) -> float:
        """Give a stream that writes now the time of its next turn, at most `LONGEST_S` from now."""
        self._next = min(max(self._next, now) + self._gap_s, now + LONGEST_S)
        return math.ceil(self._next / _TICK_S) * _TICK_S


class Turn:
    """One stream's turns: wakes the task that writes it.

    Attributes:
        due: when the next one is, on the event loop's clock; in the past, it is now.
    """

    def __init__(self, pace: Pace | None) -> None:
        """Take whose turns it shares; None for a stream that never waits."""
        self._pace = pace
        self._called = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.due = -math.inf

    def ask(self) -> None:
        """Tell that there is something to write, when it is this stream's turn."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self.due:
            self.call()
        elif self._timer is None:
            self._timer = loop.call_at(self.due, self.call)

    def call(self) -> None:
        """Let the stream write now, out of turn if need be."""
        self.close()
        if self._pace is not None:
            self.due = self._pace.turn(asyncio.get_running_loop().time())
        self._called.set()

    async def wait(self) -> None:
        """Wait until there is something to write and it is this stream's turn."""
        await self._called.wait()
        self._called.clear()

    def close(self) -> None:
        """Wait for no turn any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
