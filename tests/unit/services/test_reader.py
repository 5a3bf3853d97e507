"""services.reader: a reader may take long for a whole stream, but not for one message."""

from __future__ import annotations

import asyncio

import pytest

from services.errors import ReaderStalledError
from services.reader import Reader

STALL_S = 0.02


class Transport:
    """Takes messages at once, until it is told to take no more."""

    def __init__(self) -> None:
        self.taken = 0
        self.full = False

    async def write(self, message: object) -> None:
        await asyncio.sleep(0)
        if self.full:
            await asyncio.Event().wait()
        self.taken += 1


def reader(transport: Transport) -> Reader:
    return Reader(transport, STALL_S, asyncio.current_task())  # type: ignore[arg-type]


async def test_a_message_that_is_not_taken_ends_the_stream():
    transport = Transport()
    transport.full = True

    with pytest.raises(ReaderStalledError):
        await asyncio.wait_for(_write(transport), 30)


async def _write(transport: Transport) -> None:
    own = reader(transport)
    try:
        await own.write("x")
    finally:
        own.close()


async def test_many_messages_may_take_longer_and_a_pause_is_no_stall():
    transport = Transport()
    own = reader(transport)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() < begun + 4 * STALL_S:
        await own.write("x")
    await asyncio.sleep(3 * STALL_S)
    await own.write("y")
    assert transport.taken > 1

    transport.full = True
    with pytest.raises(ReaderStalledError):
        await own.write("z")
    own.close()


async def test_a_cancellation_from_outside_stays_one():
    transport = Transport()
    transport.full = True
    task = asyncio.create_task(_write(transport))
    await asyncio.sleep(0)
    task.cancel()

    await asyncio.wait([task])

    assert task.cancelled()
