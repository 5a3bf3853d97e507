"""The client at the other end of a stream, who may stop reading."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from services.errors import ReaderStalledError


class Reader:
    """Writes messages of one stream, each within a time limit, from the task that `task` is."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], stall_s: float, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._context = context
        self._stall_s = stall_s
        self._stalled = False

    async def write(self, message: Any) -> None:
        """Write a message; returns when the transport has taken it.

        Raises:
            ReaderStalledError: it had not after `stall_s` seconds.
        """
        timer = asyncio.get_running_loop().call_later(self._stall_s, self._stall)
        try:
            await self._context.write(message)
        except asyncio.CancelledError:
            if not self._stalled:
                raise
            if hasattr(self._task, "uncancel"):  # Python 3.11 counts cancellations
                self._task.uncancel()
            raise ReaderStalledError(self._stall_s) from None
        finally:
            timer.cancel()

    def _stall(self) -> None:
        self._stalled = True
        self._task.cancel()
