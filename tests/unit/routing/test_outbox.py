"""Between two tasks: nothing waits that can leave, and what waits leaves together."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.pacing import Pace
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


class Far(Pace):
    """Whose next turn is never soon."""

    def __init__(self):
        super().__init__(1.0)

    def turn(self, now):
        return now + 3600.0


async def test_what_begins_a_stream_and_its_end_never_wait_and_the_rest_gathers():
    outbox = Outbox(Far())
    for message in (b"started", b"first"):
        outbox.put(message)
        assert await asyncio.wait_for(outbox.take(), 10) == message
    taking = asyncio.create_task(outbox.take())
    for message in (b"a", b"b", b"c"):
        outbox.put(message)
        await asyncio.sleep(0)
    assert not taking.done()
    outbox.close()
    assert await asyncio.wait_for(taking, 10) == b"abc"
    assert await outbox.take() == b""
    assert outbox._turn._timer is None


async def test_what_is_too_much_for_one_message_waits_for_no_second_turn():
    outbox = Outbox(Far())
    for _ in range(4):
        outbox.put(b"x" * (FULL - 1))
    for _ in range(2):
        assert len(await asyncio.wait_for(outbox.take(), 10)) == 2 * (FULL - 1)
