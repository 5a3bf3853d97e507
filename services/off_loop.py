"""Work that may take longer than the event loop can spare."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

_INLINE_BYTES = 8 * 1024
"""Requests larger than this are tokenized off the event loop."""

T = TypeVar("T")


async def off_loop(request: Message, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that tokenizes: in a thread when the request is large, so that the event loop goes on."""
    if request.ByteSize() <= _INLINE_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)
