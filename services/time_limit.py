"""Limiting how long a task waits, without another task, which `asyncio.wait_for` takes before Python 3.12."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_limit(seconds: float, error: Exception) -> Iterator[None]:
    """Raise an error where the current task is still inside after so many seconds."""
    task, expired = asyncio.current_task(), False
    if task is None:
        raise RuntimeError("only tasks wait")

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        yield
    except asyncio.CancelledError:
        if not expired:
            raise
        if hasattr(task, "uncancel"):  # Python 3.11 counts cancellations
            task.uncancel()
        raise error from None
    finally:
        timer.cancel()
