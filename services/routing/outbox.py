"""What has come from an upstream and not yet left for the client: bounded, and joined when it leaves."""

from __future__ import annotations

import asyncio
from collections import deque

from services.pacing import Pace, Turn

_FULL_BYTES = 2**20
"""What may wait. Past it nothing more is read, and HTTP/2's flow control holds up the worker."""

_MESSAGE_BYTES = 2**20
"""A message that has reached it gets nothing more: clients accept 4 MiB by default, and workers write up to 2 MiB."""

_OVERHEAD_BYTES = 64
"""What a message takes beside its bytes."""

_URGENT = 2
"""Messages that begin a stream and never wait: `started` and the first token."""


class Outbox:
    """Messages that concatenation doesn't spoil, such as GenerateStreamResponse, from one task to another."""

    def __init__(self, pace: Pace | None = None) -> None:
        """Take whose turns decide when what is in it may be taken; None for at once."""
        self._turn = Turn(pace)
        self._urgent = _URGENT
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._room = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether no more is to be put in before there is room."""
        return self._size >= _FULL_BYTES

    def put(self, message: bytes) -> None:
        """Add a message that isn't empty."""
        self._messages.append(message)
        self._size += len(message) + _OVERHEAD_BYTES
        if self._urgent:
            self._urgent -= 1
            self._turn.call()
        else:
            self._turn.ask()

    def close(self) -> None:
        """Say that nothing more will come, so that nothing waits any more."""
        self._closed = True
        self._turn.call()

    async def room(self) -> None:
        """Wait until it is no longer full."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    async def take(self) -> bytes:
        """Wait for messages and for the turn, and give all that there are as one; empty when nothing more will come."""
        while not self._closed:
            await self._turn.wait()
            if self._messages:
                break
        taken, size = [], 0
        while self._messages and size < _MESSAGE_BYTES:
            taken.append(self._messages.popleft())
            size += len(taken[-1])
        if self._messages:
            self._turn.call()
        self._size -= size + len(taken) * _OVERHEAD_BYTES
        self._room.set()
        return taken[0] if len(taken) == 1 else b"".join(taken)
