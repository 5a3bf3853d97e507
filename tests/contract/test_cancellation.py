"""Closing the generator is cancelling, at every stage, and frees what the request held."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from backends.types import Seeding
from tests.contract.rig import request, soon


async def cancelled(task):
    """Cancel a task and see that it ends so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)


async def test_before_the_first_step_nothing_is_held(rig):
    deltas = rig.backend.generate(request())
    assert rig.counts() == (0, 0)
    await soon(deltas.aclose())
    assert rig.counts() == (0, 0)
    with pytest.raises(StopAsyncIteration):
        await soon(anext(deltas))


async def test_while_waiting_in_the_queue(rig):
    slots = rig.capabilities.max_concurrency
    async with rig.all_slots_taken():
        step = asyncio.create_task(anext(rig.backend.generate(request())))
        await rig.until(lambda: rig.counts() == (slots, 1))
        await cancelled(step)
        assert rig.counts() == (slots, 0)


async def test_from_the_middle_of_the_queue(rig):
    slots = rig.capabilities.max_concurrency
    plain = await rig.token_ids()
    async with rig.all_slots_taken():
        steps = []
        for waiting in range(1, 4):
            steps.append(asyncio.create_task(rig.complete(request())))
            await rig.until(lambda waiting=waiting: rig.counts() == (slots, waiting))
        await cancelled(steps.pop(1))
        assert rig.counts() == (slots, 2)
    for answer in await soon(asyncio.gather(*steps)):
        assert answer.token_ids == plain


async def test_during_prefill(rig):
    prompt = tuple(index % 100 for index in range(rig.capabilities.context_length - 10))
    for _ in range(3):
        step = asyncio.create_task(anext(rig.backend.generate(request(prompt))))
        await rig.until(lambda: rig.counts()[0] == 1)
        step.cancel()
        await soon(asyncio.wait({step}))  # a quick backend may have answered already
        if not step.cancelled():
            step.result()
            await rig.until(lambda: rig.counts() == (0, 0))
        assert rig.counts() == (0, 0)


@pytest.mark.parametrize("steps", [1, 2, 5])
async def test_during_decode_by_closing(rig, steps):
    deltas = rig.backend.generate(rig.long_request())
    for _ in range(steps):
        assert not (await soon(anext(deltas))).finish
    assert rig.counts() == (1, 0)
    await soon(deltas.aclose())
    assert rig.counts() == (0, 0)
    await soon(deltas.aclose())


async def test_during_decode_by_cancelling_the_task(rig):
    started = asyncio.Event()

    async def consume():
        async with aclosing(rig.backend.generate(rig.long_request())) as deltas:
            async for _ in deltas:
                started.set()

    task = asyncio.create_task(consume())
    await soon(started.wait())
    await cancelled(task)
    assert rig.counts() == (0, 0)


async def test_cancelled_twice_loses_no_slot(rig):
    slots = rig.capabilities.max_concurrency
    tasks = [asyncio.create_task(rig.complete(rig.long_request(seed))) for seed in range(2 * slots)]
    await rig.until(lambda: rig.counts() == (slots, slots))
    for _ in range(2):
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
    await soon(asyncio.wait(tasks))
    await rig.until(lambda: rig.counts() == (0, 0))
    assert len(await rig.token_ids()) == 24


async def test_by_a_consumer_that_fails(rig):
    class WriteFailedError(Exception):
        pass

    async def consume():
        async with aclosing(rig.backend.generate(rig.long_request())) as deltas:
            async for _ in deltas:
                raise WriteFailedError

    with pytest.raises(WriteFailedError):
        await soon(consume())
    assert rig.counts() == (0, 0)


async def test_gives_the_slot_to_who_waits(rig):
    slots = rig.capabilities.max_concurrency
    async with rig.all_slots_taken() as holders:
        waiting = asyncio.create_task(rig.complete(request()))
        await rig.until(lambda: rig.counts() == (slots, 1))
        await cancelled(holders[3])
        assert len((await soon(waiting)).token_ids) == 24


async def test_disturbs_nobody(rig):
    rig.needs_seeding(Seeding.REQUEST)
    staying = [request((seed, 2, 3), max_tokens=40, temperature=1.0, seed=seed) for seed in range(4)]
    alone = [await rig.complete(wanted) for wanted in staying]

    async def leave_after(deltas_taken, seed):
        async with aclosing(rig.backend.generate(rig.long_request(seed))) as deltas:
            for _ in range(deltas_taken):
                await anext(deltas)

    leaving = [asyncio.create_task(leave_after(taken, seed)) for seed, taken in enumerate((1, 2, 3, 5, 8, 13, 1, 1))]
    together = await rig.complete_all(staying)
    await soon(asyncio.gather(*leaving))
    assert [answer.token_ids for answer in together] == [answer.token_ids for answer in alone]


async def test_many_times_over_loses_no_slot(rig):
    slots = rig.capabilities.max_concurrency

    async def start_and_leave(seed):
        async with aclosing(rig.backend.generate(rig.long_request(seed))) as deltas:
            await anext(deltas)

    await soon(asyncio.gather(*(start_and_leave(seed) for seed in range(5 * slots))))
    assert rig.counts() == (0, 0)
    async with rig.all_slots_taken():
        assert rig.counts() == (slots, 0)


async def test_of_everything_at_once(rig):
    slots = rig.capabilities.max_concurrency
    tasks = [asyncio.create_task(rig.complete(rig.long_request(seed))) for seed in range(2 * slots)]
    await rig.until(lambda: rig.counts() == (slots, slots))
    for task in tasks:
        task.cancel()
    await soon(asyncio.wait(tasks))
    assert all(task.cancelled() for task in tasks)
    assert rig.counts() == (0, 0)
    assert len(await rig.token_ids()) == 24
