"""What wakes the consumer of one answer, no more often than it wants to be woken."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes the one task that waits for news: held back until the time that it named, but for the end of the news."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._has_news = False
        self._has_ended = False
        self._held: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Tell that there is something new."""
        self._has_news = True
        if self._held is None:
            self._rung.set()

    def end(self) -> None:
        """Tell that nothing new follows what there is. From now on nobody waits."""
        self._has_ended = True
        self._rung.set()

    async def wait(self, not_before: float | None = None) -> None:
        """Wait for news since the last call.

        Args:
            not_before: seconds on the event loop's clock, up to which only the end counts; None for no such time.
        """
        loop = asyncio.get_running_loop()
        if not_before is not None and not_before > loop.time() and not self._has_ended:
            self._held = loop.call_at(not_before, self._let_go)
            self._rung.clear()
        try:
            await self._rung.wait()
        finally:
            if self._held is not None:
                self._held.cancel()
                self._held = None
        self._has_news = False
        if not self._has_ended:
            self._rung.clear()

    def _let_go(self) -> None:
        self._held = None
        if self._has_news:
            self._rung.set()
