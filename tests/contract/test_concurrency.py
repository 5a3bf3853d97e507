"""Many requests at once: all finish, in order, and none is held up by another."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

from backends.types import Seeding
from tests.contract.rig import Answer, request, soon

LONGEST_BLOCK_S = 1.0
"""What a busy machine is allowed to keep the event loop waiting. A backend of its own accord stays far below it."""


async def test_more_requests_than_slots_all_finish_as_if_alone(rig):
    rig.needs_seeding(Seeding.REQUEST)
    slots = rig.capabilities.max_concurrency
    wanted = [
        request((seed + 1, 2, 3) * (1 + seed % 5), max_tokens=4 + seed % 7, temperature=seed % 2, seed=seed)
        for seed in range(4 * slots)
    ]
    answers = await rig.complete_all(wanted)
    for index in range(0, len(wanted), 5):
        assert answers[index].token_ids == (await rig.complete(wanted[index])).token_ids


async def test_no_more_run_than_there_are_slots(rig):
    slots = rig.capabilities.max_concurrency
    seen = set()
    tasks = [asyncio.create_task(rig.complete(request((seed + 1,)))) for seed in range(3 * slots)]
    while not all(task.done() for task in tasks):
        seen.add(rig.counts()[0])
        await asyncio.sleep(0.001)
    assert max(seen) == slots


async def test_first_come_first_served(rig):
    slots = rig.capabilities.max_concurrency
    served = []

    async def wait_for_first_delta(name):
        async with aclosing(rig.backend.generate(rig.long_request(name))) as deltas:
            await anext(deltas)
            served.append(name)
            await asyncio.Event().wait()

    async with rig.all_slots_taken() as holders:
        waiting = []
        for name in range(4):
            waiting.append(asyncio.create_task(wait_for_first_delta(name)))
            await rig.until(lambda: rig.counts() == (slots, len(waiting)))
        for count in range(1, 4):
            holders[count].cancel()
            await rig.until(lambda count=count: len(served) == count)
            assert rig.counts() == (slots, 4 - count)
        assert served == [0, 1, 2]
        for task in waiting:
            task.cancel()
        await soon(asyncio.wait(waiting))


async def test_slow_consumer_delays_nobody_and_misses_nothing(rig):
    slots = rig.capabilities.max_concurrency
    temperature = 0.0 if rig.capabilities.seeding is Seeding.NONE else 1.0
    wanted = [request((seed + 1,), temperature=temperature, seed=seed) for seed in range(slots)]
    plain = await rig.complete_all(wanted)

    answers = [Answer() for _ in wanted]
    stalled = [rig.backend.generate(one) for one in wanted]
    for answer, deltas, one in zip(answers, stalled, wanted, strict=True):
        answer.add(await soon(anext(deltas)), one, rig.capabilities.vocab_size)
    # Nobody takes what these slots produce; others are served all the same.
    await rig.complete_all(request((seed + 50,)) for seed in range(slots))
    await rig.until(lambda: rig.counts() == (0, 0))
    for answer, deltas, one, expected in zip(answers, stalled, wanted, plain, strict=True):
        while not answer.finish:
            answer.add(await soon(anext(deltas)), one, rig.capabilities.vocab_size)
        answer.check_end(one)
        assert answer.token_ids == expected.token_ids
        await soon(deltas.aclose())


async def test_who_is_in_no_hurry_gets_the_same_and_the_end_at_once(rig):
    wanted = request(temperature=0.0 if rig.capabilities.seeding is Seeding.NONE else 1.0, seed=3)
    expected = await rig.complete(wanted)
    answer = Answer()
    in_an_hour = asyncio.get_running_loop().time() + 3600

    async with aclosing(rig.backend.generate(wanted)) as deltas:
        answer.add(await soon(anext(deltas)), wanted, rig.capabilities.vocab_size)
        while not answer.finish:
            answer.add(await soon(deltas.asend(in_an_hour)), wanted, rig.capabilities.vocab_size)

    answer.check_end(wanted)
    assert answer.token_ids == expected.token_ids


async def test_who_is_in_no_hurry_can_leave_at_once(rig):
    deltas = rig.backend.generate(rig.long_request())
    await soon(anext(deltas))
    step = asyncio.create_task(deltas.asend(asyncio.get_running_loop().time() + 3600))
    await rig.token_ids()
    step.cancel()
    await soon(asyncio.wait([step]))

    assert rig.counts() == (0, 0)


async def test_first_delta_comes_before_the_answer_is_complete(rig):
    async with aclosing(rig.backend.generate(rig.long_request())) as deltas:
        first = await soon(anext(deltas))
        assert len(first.token_ids) < 100
        assert rig.counts() == (1, 0)


async def test_newcomers_join_what_is_running(rig):
    async with aclosing(rig.backend.generate(rig.long_request())) as deltas:
        await soon(anext(deltas))
        assert len(await rig.token_ids()) == 24
        assert rig.counts() == (1, 0)


async def test_event_loop_is_not_blocked(rig):
    slots, length = rig.capabilities.max_concurrency, rig.capabilities.context_length
    gaps = []

    async def beat():
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    heart = asyncio.create_task(beat())
    long_prompt = tuple(index % 90 for index in range(length - 200))
    wanted = [request((seed + 1, *long_prompt) if seed % 4 == 0 else (seed + 1,), 60) for seed in range(2 * slots)]
    begin = time.perf_counter()
    await rig.complete_all(wanted)
    elapsed = time.perf_counter() - begin
    heart.cancel()
    await soon(asyncio.wait({heart}))
    assert max(gaps) < LONGEST_BLOCK_S
    assert len(gaps) > 4
    assert sum(gaps) > elapsed / 2
