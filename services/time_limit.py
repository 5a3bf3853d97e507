"""Limits in time: of what a task does itself, and of an answer whose call has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_MARGIN_SHARE = 0.1
"""Part of the time left that an answer's end keeps in hand, where the margin asked for would be more."""


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


def budget_s(remaining_s: float | None, margin_s: float) -> float | None:
    """Give the seconds that an answer may take so that its end arrives before the call's deadline; None without one.

    Args:
        remaining_s: seconds to the deadline.
        margin_s: seconds to keep in hand, at most a tenth of those left.
    """
    return None if remaining_s is None else remaining_s - min(margin_s, remaining_s * _MARGIN_SHARE)
