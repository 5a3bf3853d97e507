"""Construct, load, serve, close: in every order that happens."""

from __future__ import annotations

import asyncio

import pytest

from backends.errors import LoadError, UnavailableError
from tests.contract.rig import Answer, Rig, request, soon


async def first_step(backend):
    return await soon(anext(backend.generate(request())))


async def test_before_load_it_is_not_ready_and_says_why(fresh):
    health = fresh.health()
    assert (health.ready, health.running, health.waiting) == (False, 0, 0)
    assert health.reason


async def test_generate_before_load_is_refused_on_the_first_step(fresh):
    with pytest.raises(UnavailableError):
        await first_step(fresh)


async def test_close_without_load(fresh):
    await soon(fresh.close())
    await soon(fresh.close())
    assert not fresh.health().ready


async def test_load_says_what_it_can_do_and_close_ends_it(fresh):
    capabilities = await soon(fresh.load())
    assert fresh.health().ready
    assert fresh.health().reason == ""
    assert min(capabilities.context_length, capabilities.vocab_size, capabilities.max_concurrency) >= 1
    assert capabilities.max_logprobs >= 0
    assert capabilities.generates
    assert capabilities.device
    assert capabilities.dtype
    await Rig(fresh, capabilities).complete(request())

    await soon(asyncio.gather(fresh.close(), fresh.close()))
    await soon(fresh.close())
    health = fresh.health()
    assert (health.ready, health.running, health.waiting) == (False, 0, 0)
    assert health.reason
    with pytest.raises(UnavailableError):
        await first_step(fresh)


async def test_failed_load_says_why_and_can_be_closed(subject, folder):
    broken = subject.build_broken(folder)
    with pytest.raises(LoadError) as caught:
        await soon(broken.load())
    assert str(caught.value)
    assert not broken.health().ready
    assert broken.health().reason
    with pytest.raises(UnavailableError):
        await first_step(broken)
    await soon(broken.close())
    await soon(broken.close())
    assert not broken.health().ready


async def test_cancelled_load_can_be_closed(fresh):
    loading = asyncio.create_task(fresh.load())
    await asyncio.sleep(0)
    loading.cancel()
    await soon(asyncio.wait({loading}))
    await soon(fresh.close())
    health = fresh.health()
    assert (health.ready, health.running, health.waiting) == (False, 0, 0)
    assert health.reason
    with pytest.raises(UnavailableError):
        await first_step(fresh)


async def test_close_under_load_ends_every_request(fresh):
    rig = Rig(fresh, await soon(fresh.load()))
    slots = rig.capabilities.max_concurrency
    wanted = [rig.long_request(seed) for seed in range(slots + 3)]
    answers = [Answer() for _ in wanted]

    async def consume(index):
        async for delta in fresh.generate(wanted[index]):
            answers[index].add(delta, wanted[index], rig.capabilities.vocab_size)

    consumers = [asyncio.create_task(consume(index)) for index in range(len(wanted))]
    unstarted = fresh.generate(request())
    await rig.until(lambda: rig.counts() == (slots, 3) and any(answer.token_ids for answer in answers))
    await asyncio.wait_for(fresh.close(), 10)
    assert rig.counts() == (0, 0)
    outcomes = await soon(asyncio.gather(*consumers, return_exceptions=True))
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * len(wanted)
    assert not any(answer.finish for answer in answers)
    with pytest.raises(UnavailableError):
        await soon(anext(unstarted))


async def test_close_wakes_a_consumer_that_comes_back_late(fresh):
    rig = Rig(fresh, await soon(fresh.load()))
    wanted = rig.long_request()
    answer = Answer()
    deltas = fresh.generate(wanted)
    answer.add(await soon(anext(deltas)), wanted, rig.capabilities.vocab_size)
    await soon(fresh.close())

    async def rest():
        async for delta in deltas:
            answer.add(delta, wanted, rig.capabilities.vocab_size)

    with pytest.raises(UnavailableError):
        await soon(rest())
    assert answer.finish is None
