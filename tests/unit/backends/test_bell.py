"""backends.bell: a consumer sleeps as long as it wants to, and not longer."""

from __future__ import annotations

import asyncio

import pytest

from backends.bell import Bell

FAR_S = 3600.0


async def settle() -> None:
    """Let everything happen that needs no more from outside."""
    for _ in range(10):
        await asyncio.sleep(0)


def waiting(bell: Bell, hold_s: float | None = None) -> asyncio.Task[None]:
    """Wait at a bell, held for so long from now."""
    now = asyncio.get_running_loop().time()
    return asyncio.create_task(bell.wait(None if hold_s is None else now + hold_s))


async def test_news_wakes_who_waits():
    bell = Bell()
    wait = waiting(bell)
    await settle()
    assert not wait.done()

    bell.ring()

    await asyncio.wait_for(wait, 30)


@pytest.mark.parametrize("hold_s", [None, -1.0, 0.0])
async def test_news_before_the_wait_counts_once(hold_s):
    bell = Bell()
    bell.ring()
    bell.ring()
    await asyncio.wait_for(waiting(bell, hold_s), 30)

    again = waiting(bell, hold_s)
    await settle()

    assert not again.done()
    again.cancel()


@pytest.mark.parametrize("early", [False, True])
async def test_held_back_it_wakes_nobody_before_the_time(early):
    bell = Bell()
    if early:
        bell.ring()
    wait = waiting(bell, FAR_S)
    await settle()
    bell.ring()
    await settle()

    assert not wait.done()
    wait.cancel()


@pytest.mark.parametrize("early", [False, True])
async def test_what_came_while_it_was_held_is_told_when_the_time_has_come(early):
    bell = Bell()
    if early:
        bell.ring()
    wait = waiting(bell, 0.01)
    await settle()
    if not early:
        bell.ring()

    await asyncio.wait_for(wait, 30)


async def test_the_time_alone_wakes_nobody():
    bell = Bell()
    wait = waiting(bell, 0.001)
    await asyncio.sleep(0.01)
    assert not wait.done()

    bell.ring()

    await asyncio.wait_for(wait, 30)


async def test_the_end_is_told_at_once_and_ever_after():
    bell = Bell()
    wait = waiting(bell, FAR_S)
    await settle()

    bell.end()

    await asyncio.wait_for(wait, 30)
    for hold_s in (None, FAR_S):
        await asyncio.wait_for(waiting(bell, hold_s), 30)


async def test_a_wait_that_is_cancelled_leaves_no_hold():
    bell = Bell()
    held = waiting(bell, FAR_S)
    await settle()
    bell.ring()
    held.cancel()
    await asyncio.wait([held])
    bell.ring()

    await asyncio.wait_for(waiting(bell), 30)
