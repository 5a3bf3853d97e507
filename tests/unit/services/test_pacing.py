"""services.pacing: nobody waits while there is room, all wait alike while there is none."""

from __future__ import annotations

import asyncio
import heapq
import itertools

import pytest

from services.pacing import LONGEST_S, Pace, Turn

TICK_S = 0.005


class Fixed(Pace):
    """Gives each stream its next turn so many seconds from now."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(1.0)
        self._wait_s = wait_s
        self.turns = 0

    def turn(self, now: float) -> float:
        self.turns += 1
        return now + self._wait_s


def written(pace: Pace, streams: int, interval_s: float, seconds: float) -> list[list[float]]:
    """Let streams have something new every `interval_s`, and give the times at which each writes."""
    times: list[list[float]] = [[] for _ in range(streams)]
    todo = [(index * interval_s / streams, index) for index in range(streams)]
    while todo[0][0] < seconds:
        now, index = heapq.heappop(todo)
        times[index].append(now)
        due = pace.turn(now)
        heapq.heappush(todo, (max(due, now + interval_s), index))
    return times


@pytest.mark.parametrize(("streams", "interval_s"), [(1, 0.01), (8, 0.01), (32, 0.02), (300, 0.2)])
def test_below_the_bound_each_token_leaves_at_once(streams, interval_s):
    for times in written(Pace(2000), streams, interval_s, 2.0):
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert max(gaps) == pytest.approx(interval_s), "a turn that was due in time never makes a stream wait"


@pytest.mark.parametrize("streams", [64, 256, 450])
def test_past_the_bound_all_wait_alike_and_the_bound_is_kept(streams):
    times = written(Pace(2000), streams, 0.01, 4.0)
    later = [[time for time in one if time >= 1.0] for one in times]

    assert sum(map(len, later)) == pytest.approx(3 * 2000, rel=0.05)
    assert min(map(len, later)) >= 0.8 * max(map(len, later))
    gaps = [after - before for one in later for before, after in itertools.pairwise(one)]
    assert max(gaps) <= streams / 2000 + 2 * TICK_S


def test_a_slow_stream_beside_many_fast_ones_never_waits():
    pace = Pace(2000)
    written(pace, 256, 0.01, 1.0)
    assert pace.turn(1.0) - 1.0 < 0.2, "a stream with a token every 0.2 s"


@pytest.mark.parametrize("streams", [1000, 4000])
def test_nobody_waits_longer_than_the_longest(streams):
    for times in written(Pace(100), streams, 0.01, 1.5):
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert max(gaps) <= LONGEST_S + 2 * TICK_S


def test_a_rush_is_forgotten_when_it_is_over():
    pace = Pace(1000)
    for _ in range(5000):
        pace.turn(0.0)

    assert pace.turn(LONGEST_S + 0.1) <= LONGEST_S + 0.1 + 2 * TICK_S


async def settle() -> None:
    """Let everything happen that needs no more from outside."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_turn_is_now_and_the_second_one_waits():
    turn = Turn(Fixed(3600.0))
    turn.ask()
    await asyncio.wait_for(turn.wait(), 30)

    turn.ask()
    turn.ask()
    waits = asyncio.create_task(turn.wait())
    await settle()
    assert not waits.done()

    turn.call()
    await asyncio.wait_for(waits, 30)
    turn.close()


async def test_a_turn_comes_when_it_is_due():
    pace = Fixed(0.01)
    turn = Turn(pace)
    for expected in (1, 2, 3):
        turn.ask()
        await asyncio.wait_for(turn.wait(), 30)
        assert pace.turns == expected


async def test_a_call_leaves_no_turn_behind():
    pace = Fixed(0.01)
    turn = Turn(pace)
    turn.ask()
    turn.ask()
    turn.call()
    await asyncio.wait_for(turn.wait(), 30)
    waits = asyncio.create_task(turn.wait())
    await asyncio.sleep(0.03)

    assert not waits.done()
    assert pace.turns == 2
    waits.cancel()


async def test_without_a_pace_nobody_waits():
    turn = Turn(None)
    for _ in range(3):
        turn.ask()
        await asyncio.wait_for(turn.wait(), 30)
