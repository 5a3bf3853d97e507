"""A limit in time for what a task does itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_limit(seconds: float, error: Exception | None = None) -> Iterator[None]:
    """End the block with an error, `asyncio.TimeoutError` unless one is given, after so many seconds.

    `asyncio.wait_for` loses a cancellation that comes with the result, before Python 3.12, and takes a task of its own.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("limits are for tasks")
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        yield
    except asyncio.CancelledError:
        others = getattr(task, "uncancel", int)() if expired else 1  # Python 3.11 counts who else cancelled it
        if others:
            raise
        raise error or asyncio.TimeoutError from None
    finally:
        timer.cancel()
