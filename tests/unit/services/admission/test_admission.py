"""services.admission.admission: who is let in and in which order, who waits, and what the others are told."""

from __future__ import annotations

import asyncio

import pytest

from services.admission.admission import Admission, Cause, Demand
from services.admission.fair import Priority
from services.errors import InvalidArgumentError, QueueFullError
from services.identity.caller import Caller
from services.identity.origin import Origin
from tests.unit.routing.fake import Clock


class Door:
    """An admission whose places and time are set."""

    def __init__(self, places: int | None = 1, max_queue: int = 0, max_wait_s: float = 60.0) -> None:
        self.places = places
        self.clock = Clock()
        self.admission = Admission("m", lambda: self.places, max_queue, max_wait_s, self.clock)
        self.log: list[str] = []

    def demand(self, caller="a", outputs=1, tokens=100, budget_s=None, **fields):
        return Demand(Origin(Caller(caller, weight=fields.pop("weight", 1.0)), **fields), outputs, tokens, budget_s)

    async def enter(self, caller="a", **fields):
        return await self.admission.enter(self.demand(caller, **fields))

    async def queue(self, caller="a", **fields) -> asyncio.Task:
        """Begin to wait; who is let in is logged."""

        async def wait():
            grant = await self.enter(caller, **fields)
            self.log.append(caller)
            return grant

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        return task

    async def served(self, seconds: float = 1.0, **fields) -> None:
        """Have a request served alone, that takes so long."""
        grant = await self.enter(**fields)
        self.clock.pass_(seconds)
        grant.release(whole=True)


async def settled() -> None:
    """Let all run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_past_the_bound_requests_are_told_when_to_come_back():
    door = Door(places=1, max_queue=0)
    await door.served(2.0)
    grant = await door.enter()
    delays = []
    for _ in range(3):
        with pytest.raises(QueueFullError) as caught:
            await door.enter()
        delays.append(caught.value.retry_after_s)
    assert caught.value.model == "m"
    assert delays == pytest.approx([2.0, 4.0, 6.0])  # so that they don't meet
    assert door.admission.refused == {Cause.full: 3}
    grant.release()
    assert door.admission.admitted == 0


async def test_delays_are_bounded():
    door = Door()
    await door.served(3600.0)
    await door.enter()
    for _ in range(3):
        with pytest.raises(QueueFullError) as caught:
            await door.enter()
        assert caught.value.retry_after_s == 30.0


async def test_more_than_there_will_ever_be_room_for():
    door = Door(places=2, max_queue=0)
    with pytest.raises(InvalidArgumentError):
        await door.enter(outputs=3)
    assert door.admission.admitted == 0


async def test_a_place_goes_to_who_waits_and_a_few_are_let_in_ahead():
    door = Door(places=1, max_queue=3)
    grants = [await door.enter(), await door.enter()]
    waiting = [await door.queue(), await door.queue()]
    assert (door.admission.computing, door.admission.waiting) == (2, 2)
    with pytest.raises(QueueFullError):
        await door.enter()
    grants[0].release()
    grants[0].release()
    await settled()
    assert [task.done() for task in waiting] == [True, False]
    grants[1].release()
    waiting[0].result().release()
    (await waiting[1]).release()
    assert door.admission.admitted == 0


async def test_callers_take_turns():
    door = Door(places=1, max_queue=9)
    grants = [await door.enter("x"), await door.enter("x")]
    tasks = [await door.queue(caller) for caller in ("heavy", "heavy", "heavy", "heavy", "light")]
    while grants:
        grants.pop(0).release()
        await settled()
        grants += [task.result() for task in tasks if task.done()]
        tasks = [task for task in tasks if not task.done()]
    assert "light" in door.log[:3]
    assert len(door.log) == 5


async def test_when_the_queue_is_full_a_light_callers_request_takes_a_heavy_ones_place():
    door = Door(places=1, max_queue=4)
    await door.enter("heavy"), await door.enter("heavy")
    heavy = [await door.queue("heavy") for _ in range(3)]
    light = await door.queue("light")
    await settled()
    assert [task.done() for task in heavy] == [False, False, True]
    with pytest.raises(QueueFullError):
        heavy[2].result()
    assert not light.done()
    assert door.admission.refused == {Cause.displaced: 1}
    with pytest.raises(QueueFullError):
        await door.enter("heavy")
    for task in (*heavy[:2], light):
        task.cancel()
    await settled()
    assert door.admission.waiting == 0


async def test_a_higher_class_is_let_in_first():
    door = Door(places=1, max_queue=9)
    grants = [await door.enter(), await door.enter()]
    tasks = [await door.queue("a"), await door.queue("b", priority=Priority.high)]
    grants[0].release()
    await settled()
    assert door.log == ["b"]
    for task in tasks:
        task.cancel()


async def test_cancelling_while_queued_leaves_the_queue():
    door = Door(places=1, max_queue=9)
    grants = [await door.enter(), await door.enter()]
    task = await door.queue()
    task.cancel()
    await settled()
    assert (door.admission.computing, door.admission.waiting) == (2, 0)
    for grant in grants:
        grant.release()
    assert door.admission.admitted == 0


async def test_cancelling_at_the_moment_of_ones_turn_gives_the_place_back():
    door = Door(places=1, max_queue=9)
    grants = [await door.enter(), await door.enter()]
    first, second = await door.queue("a"), await door.queue("b")
    grants[0].release()
    first.cancel()
    await settled()
    assert first.cancelled()
    assert second.done()
    grants[1].release()
    second.result().release()
    assert door.admission.admitted == 0


async def test_cancelling_at_the_moment_of_being_displaced():
    door = Door(places=1, max_queue=2)
    await door.enter("heavy"), await door.enter("heavy")
    first = await door.queue("heavy")
    light = await door.queue("light", weight=100.0)
    first.cancel()
    await settled()
    assert first.done()
    light.cancel()
    await settled()
    assert door.admission.waiting == 0


async def test_what_cannot_be_done_in_time_is_refused_at_once():
    door = Door(places=1, max_queue=100)
    for _ in range(30):
        await door.served(1.0)
    await door.enter(), await door.enter()
    waiting = [await door.queue() for _ in range(5)]
    with pytest.raises(QueueFullError) as caught:
        await door.enter(budget_s=5.0)  # six before it, and a second for itself
    assert caught.value.retry_after_s >= 2.0
    assert door.admission.refused == {Cause.late: 1}
    in_time = await door.queue(budget_s=8.0)
    assert not in_time.done()
    for task in (*waiting, in_time):
        task.cancel()
    await settled()


async def test_another_callers_long_queue_makes_nobody_late():
    door = Door(places=1, max_queue=100)
    await door.served(1.0)
    await door.enter("heavy"), await door.enter("heavy")
    waiting = [await door.queue("heavy") for _ in range(50)]
    light = await door.queue("light", budget_s=4.0)
    assert not light.done()
    for task in (*waiting, light):
        task.cancel()
    await settled()


async def test_where_there_is_a_place_no_time_is_too_short():
    """A deadline may be a budget, that ends the answer: while nobody is kept waiting, it is what was asked for."""
    door = Door()
    await door.served(100.0)
    (await door.enter(budget_s=0.5)).release()


async def test_who_would_be_cut_short_anyhow_may_wait():
    door = Door(places=1, max_queue=9)
    await door.served(1.0)
    await door.enter(), await door.enter()
    task = await door.queue(tokens=10_000, budget_s=50.0)
    assert not task.done()
    task.cancel()
    await settled()


async def test_what_was_cut_short_says_nothing_of_how_long_others_take():
    door = Door(places=1, max_queue=9)
    await door.served(10.0)
    for _ in range(50):
        (await door.enter()).release(3)
    assert door.admission.service_time.mean_s == 10.0


async def test_before_anything_is_known_nothing_is_late():
    door = Door(places=1, max_queue=9)
    await door.enter(), await door.enter()
    task = await door.queue(budget_s=50.0)
    assert not task.done()
    task.cancel()
    await settled()


async def test_nothing_waits_past_its_time():
    door = Door(places=1, max_queue=9, max_wait_s=0.01)
    await door.enter(), await door.enter()
    with pytest.raises(QueueFullError):
        await door.enter()
    with pytest.raises(QueueFullError):
        await door.enter(budget_s=0.001)
    assert door.admission.refused == {Cause.late: 2}
    assert door.admission.waiting == 0


async def test_what_would_wait_longer_than_anything_may_is_refused_at_once():
    door = Door(places=1, max_queue=9, max_wait_s=1.5)
    await door.served(1.0)
    await door.enter(), await door.enter()
    task = await door.queue()
    with pytest.raises(QueueFullError):
        await door.enter()
    task.cancel()
    await settled()


async def test_where_the_places_are_not_known_nothing_waits():
    door = Door(places=None)
    grants = [await door.enter() for _ in range(100)]
    for grant in grants:
        grant.release()
    assert door.admission.admitted == 0


async def test_more_places_let_more_in():
    door = Door(places=1, max_queue=9)
    await door.enter(), await door.enter()
    tasks = [await door.queue() for _ in range(3)]
    door.places = 2
    door.admission.look()
    await settled()
    assert [task.done() for task in tasks] == [True, False, False]
    door.places = None
    door.admission.look()
    await settled()
    assert all(task.done() for task in tasks)


async def test_outputs_beyond_the_places_go_in_together():
    door = Door(places=2, max_queue=8)
    grant = await door.enter(outputs=6)
    assert door.admission.computing == 6
    waiting = await door.queue()
    grant.release()
    (await waiting).release()
    assert door.admission.admitted == 0
