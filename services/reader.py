"""The client at the other end of a stream, who may stop reading."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from services.errors import ReaderStalledError


class Reader:
    """Writes messages of one stream, each within a time limit, from the task that `task` is.

    One timer looks after all of them, at its own pace: one per message would cost as much as the rest of this.
    """

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], stall_s: float, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._context = context
        self._stall_s = stall_s
        self._stalled = False
        self._since: float | None = None
        """When the write in progress began, on the event loop's clock."""
        self._timer: asyncio.TimerHandle | None = None

    async def write(self, message: Any) -> None:
        """Write a message; returns when the transport has taken it.

        Raises:
            ReaderStalledError: it had not after `stall_s` seconds.
        """
        self._since = asyncio.get_running_loop().time()
        if self._timer is None:
            self._watch(self._since)
        try:
            await self._context.write(message)
        except asyncio.CancelledError:
            if not self._stalled:
                raise
            if hasattr(self._task, "uncancel"):  # Python 3.11 counts cancellations
                self._task.uncancel()
            raise ReaderStalledError(self._stall_s) from None
        finally:
            self._since = None

    def close(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self, since: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(since + self._stall_s, self._look, since)

    def _look(self, since: float) -> None:
        """End the write that was in progress all the time; look again where it was another one."""
        self._timer = None
        if self._since == since:
            self._stalled = True
            self._task.cancel()
        elif self._since is not None:
            self._watch(self._since)
