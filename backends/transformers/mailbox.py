"""Where a request's deltas wait for their consumer, on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from backends.base import Bell
from backends.errors import BackendError
from backends.types import TokenDelta


class Mailbox:
    """Filled by the backend, emptied by the generator. What waits is merged into one delta; `max_tokens` bounds it."""

    def __init__(self) -> None:
        self._deltas: list[TokenDelta] = []
        self._error: BackendError | None = None
        self._bell = Bell()
        self._released = asyncio.Event()

    @property
    def released(self) -> bool:
        """Whether the request holds neither a slot nor a place in the queue any more."""
        return self._released.is_set()

    def put(self, delta: TokenDelta) -> None:
        """Add what a step made. The last delta also says that the slot is free."""
        self._deltas.append(delta)
        if delta.finish is None:
            self._bell.ring()
        else:
            self._released.set()
            self._bell.end()

    def close(self, error: BackendError | None = None) -> None:
        """Note that the slot is free, and why there is nothing more to come."""
        if self.released:
            return
        self._error = error
        self._released.set()
        self._bell.end()

    async def take(self, not_before: float | None = None) -> TokenDelta:
        """Wait for something new: until then, on the event loop's clock, for the last delta or an error only.

        Raises:
            BackendError: given to `close`; after all deltas.
        """
        await self._bell.wait(not_before)
        if self._deltas:
            waiting, self._deltas = self._deltas, []
            return merge(waiting)
        if self._error is None:
            raise RuntimeError("nothing follows the last delta")
        raise self._error

    async def wait_released(self) -> None:
        """Return once the slot is free."""
        await self._released.wait()


def merge(deltas: Sequence[TokenDelta]) -> TokenDelta:
    """Join successive deltas into one."""
    if len(deltas) == 1:
        return deltas[0]
    return TokenDelta(
        token_ids=tuple(token for delta in deltas for token in delta.token_ids),
        logprobs=tuple(entry for delta in deltas for entry in delta.logprobs),
        prompt_logprobs=tuple(entry for delta in deltas for entry in delta.prompt_logprobs),
        finish=deltas[-1].finish,
    )
