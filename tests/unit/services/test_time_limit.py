"""A limit ends what takes too long, and swallows no cancellation."""

from __future__ import annotations

import asyncio

import pytest

from services.time_limit import budget_s, time_limit


async def test_what_takes_too_long_ends():
    with pytest.raises(asyncio.TimeoutError), time_limit(0.01):
        await asyncio.Event().wait()
    await asyncio.sleep(0)  # nothing of it is left


async def test_what_is_in_time_goes_on():
    with time_limit(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


async def test_a_cancellation_that_comes_with_the_result_is_not_lost():
    future = asyncio.get_running_loop().create_future()

    async def forever():
        with time_limit(30):
            await future
        await asyncio.Event().wait()

    task = asyncio.ensure_future(forever())
    await asyncio.sleep(0)
    future.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


async def test_a_cancellation_stays_one():
    async def forever():
        with time_limit(30):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(forever())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("remaining_s", "expected_s"), [(None, None), (10.0, 9.75), (2.0, 1.8), (0.1, 0.09), (0.0, 0.0)]
)
def test_an_answer_ends_a_quarter_of_a_second_before_its_deadline_or_a_tenth_of_the_time_left(remaining_s, expected_s):
    assert budget_s(remaining_s, 0.25) == pytest.approx(expected_s)
