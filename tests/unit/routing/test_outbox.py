"""Between two tasks: nothing waits that can leave, and what waits leaves together."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.routing.outbox import Outbox

FULL = 2**20


async def test_what_queued_up_leaves_as_one():
    outbox = Outbox()
    for message in (b"a", b"b", b"c"):
        outbox.put(message)
    assert await outbox.take() == b"abc"
    outbox.put(b"d")
    outbox.close()
    assert await outbox.take() == b"d"
    assert await outbox.take() == b""


async def test_one_message_leaves_at_once():
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    outbox.put(b"first")
    assert await asyncio.wait_for(taking, 10) == b"first"


async def test_a_message_takes_no_more_once_it_is_large():
    outbox = Outbox()
    for _ in range(5):
        outbox.put(b"x" * (FULL - 1))
    outbox.close()
    sizes = []
    while message := await outbox.take():
        sizes.append(len(message))
    assert sizes == [2 * (FULL - 1), 2 * (FULL - 1), FULL - 1]


async def test_who_fills_it_waits_until_there_is_room():
    outbox = Outbox()
    outbox.put(b"x" * FULL)
    assert outbox.full
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.take()
    await asyncio.wait_for(waiting, 10)
    assert not outbox.full


async def test_closing_wakes_who_waits():
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    outbox.close()
    assert await asyncio.wait_for(taking, 10) == b""


@pytest.mark.parametrize("seed", range(5))
async def test_all_comes_out_in_order(seed):
    rng, outbox, taken = random.Random(seed), Outbox(), []
    sent = [bytes([rng.randrange(256)]) * rng.choice([1, 10, 400_000]) for _ in range(50)]

    async def fill():
        for message in sent:
            if outbox.full:
                await outbox.room()
            outbox.put(message)
            if rng.random() < 0.3:
                await asyncio.sleep(0)
        outbox.close()

    filling = asyncio.create_task(fill())
    while message := await outbox.take():
        taken.append(message)
        if rng.random() < 0.3:
            await asyncio.sleep(0)
    await filling
    assert b"".join(taken) == b"".join(sent)
