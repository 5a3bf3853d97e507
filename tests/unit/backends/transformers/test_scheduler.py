"""Admission and the make-up of steps."""

from __future__ import annotations

import pytest

from backends.transformers.cache import Lease
from backends.transformers.scheduler import Scheduler
from backends.transformers.sequence import Sequence
from tests.unit.backends.transformers.driver import request


def sequence(ticket, length, most=64):
    return Sequence(ticket, request((1,) * length), most)


def planned(scheduler):
    scheduler.admit()
    return scheduler.plan()


def compute(scheduler, plan):
    """Note a plan as done, as the engine does."""
    for one in plan.decoding:
        one.fill(1)
        one.context.append(1)
    for chunk in plan.chunks:
        if chunk.sequence.lease is None:
            chunk.sequence.lease = Lease(chunk.sequence.ticket, None, 0)
        chunk.sequence.fill(chunk.end - chunk.start)
        if chunk.last:
            chunk.sequence.context.append(1)
            scheduler.start_decoding(chunk.sequence)
    return [(chunk.sequence.ticket, chunk.start, chunk.end) for chunk in plan.chunks]


@pytest.fixture
def scheduler():
    return Scheduler(slots=3, cache_tokens=1000, batch_tokens=20, chunk_tokens=8)


def test_nothing_to_do(scheduler):
    assert planned(scheduler).sequences == []


def test_chunks_end_at_multiples_and_take_turns(scheduler):
    for ticket, length in enumerate((20, 5, 9)):
        scheduler.add(sequence(ticket, length))
    assert compute(scheduler, planned(scheduler)) == [(0, 0, 8), (1, 0, 5)]  # 13, and 8 more would exceed 20
    assert compute(scheduler, planned(scheduler)) == [(2, 0, 8), (0, 8, 16)]
    assert compute(scheduler, planned(scheduler)) == [(2, 8, 9), (0, 16, 20)]
    assert [one.ticket for one in planned(scheduler).decoding] == [1, 2, 0]


def test_one_chunk_always_joins():
    scheduler = Scheduler(slots=9, cache_tokens=1000, batch_tokens=4, chunk_tokens=4)
    for ticket in range(6):
        scheduler.add(sequence(ticket, 4))
        compute(scheduler, planned(scheduler))
    assert len(planned(scheduler).decoding) == 6
    scheduler.add(sequence(6, 9))
    assert compute(scheduler, planned(scheduler)) == [(6, 0, 4)]


def test_first_come_first_served(scheduler):
    several = [sequence(ticket, 4) for ticket in range(5)]
    for one in several:
        scheduler.add(one)
    planned(scheduler)
    assert (scheduler.running, scheduler.waiting) == (3, 2)
    scheduler.remove(several[1])
    compute(scheduler, planned(scheduler))
    assert (scheduler.running, scheduler.waiting) == (3, 1)
    scheduler.remove(several[4])
    assert (scheduler.running, scheduler.waiting) == (3, 0)


def test_cache_is_promised_once(scheduler):
    first, second = sequence(0, 400, most=600), sequence(1, 400, most=600)
    scheduler.add(first)
    scheduler.add(second)
    scheduler.add(sequence(2, 4, most=64))  # would fit, but doesn't overtake
    planned(scheduler)
    assert (scheduler.running, scheduler.waiting) == (1, 2)
    scheduler.remove(first)
    planned(scheduler)
    assert (scheduler.running, scheduler.waiting) == (2, 0)


def test_the_youngest_gives_way_and_comes_back_first():
    """Each may grow to 768 tokens, for which there is room once."""
    scheduler = Scheduler(slots=3, cache_tokens=1152, batch_tokens=99, chunk_tokens=8)
    three = [sequence(ticket, 4, most=700) for ticket in range(3)]
    for one in three:
        scheduler.add(one)
    ended, preempted = [], []
    while len(ended) < 3:
        for one in scheduler.preempt():
            one.preempt()
            preempted.append(one.ticket)
            assert scheduler.waiting
        compute(scheduler, planned(scheduler))
        for one in three:
            if one.ticket not in ended and one.computed == 700:
                scheduler.remove(one)
                ended.append(one.ticket)
    assert ended == [0, 1, 2]
    assert preempted[0] == 2
    assert 0 not in preempted
    assert (scheduler.running, scheduler.waiting) == (0, 0)


def test_a_short_request_is_never_preempted():
    scheduler = Scheduler(slots=9, cache_tokens=1000, batch_tokens=99, chunk_tokens=8)
    for ticket in range(9):
        scheduler.add(sequence(ticket, 4, most=192))
    planned(scheduler)
    assert (scheduler.running, scheduler.waiting) == (5, 4)  # at 192 tokens each; none can need more
    for _ in range(150):
        assert scheduler.preempt() == []
        compute(scheduler, scheduler.plan())


def test_what_another_one_computes_is_left_for_later(scheduler):
    alike = [sequence(ticket, 20) for ticket in range(2)]
    for one in alike:
        one.blocks = [b"first", b"second"]
        scheduler.add(one)
    assert compute(scheduler, planned(scheduler)) == [(0, 0, 8)]
