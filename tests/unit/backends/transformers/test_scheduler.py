"""Admission and the make-up of steps."""

from __future__ import annotations

import pytest

from backends.transformers.cache import Lease
from backends.transformers.scheduler import Scheduler
from backends.transformers.sequence import Sequence
from tests.unit.backends.transformers.driver import request


def sequence(ticket, length, promised=64):
    return Sequence(ticket, request((1,) * length), promised)


def compute(scheduler, plan):
    """Note a plan as done, as the engine does."""
    for chunk in plan.chunks:
        if chunk.sequence.lease is None:
            chunk.sequence.lease = Lease(chunk.sequence.ticket, None, 0)
        chunk.sequence.fill(chunk.end - chunk.start)
        if chunk.last:
            scheduler.start_decoding(chunk.sequence)
    return [(chunk.sequence.ticket, chunk.start, chunk.end) for chunk in plan.chunks]


@pytest.fixture
def scheduler():
    return Scheduler(slots=3, cache_tokens=1000, batch_tokens=20, chunk_tokens=8)


def test_nothing_to_do(scheduler):
    assert scheduler.plan().sequences == []


def test_chunks_end_at_multiples_and_take_turns(scheduler):
    for ticket, length in enumerate((20, 5, 9)):
        scheduler.add(sequence(ticket, length))
    assert compute(scheduler, scheduler.plan()) == [(0, 0, 8), (1, 0, 5)]  # 13, and 8 more would exceed 20
    assert compute(scheduler, scheduler.plan()) == [(2, 0, 8), (0, 8, 16)]
    assert compute(scheduler, scheduler.plan()) == [(2, 8, 9), (0, 16, 20)]
    assert [one.ticket for one in scheduler.plan().decoding] == [1, 2, 0]


def test_one_chunk_always_joins():
    scheduler = Scheduler(slots=9, cache_tokens=1000, batch_tokens=4, chunk_tokens=4)
    for ticket in range(6):
        scheduler.add(sequence(ticket, 4))
        compute(scheduler, scheduler.plan())
    assert len(scheduler.plan().decoding) == 6
    scheduler.add(sequence(6, 9))
    assert compute(scheduler, scheduler.plan()) == [(6, 0, 4)]


def test_first_come_first_served(scheduler):
    several = [sequence(ticket, 4) for ticket in range(5)]
    for one in several:
        scheduler.add(one)
    scheduler.plan()
    assert (scheduler.running, scheduler.waiting) == (3, 2)
    scheduler.remove(several[1])
    compute(scheduler, scheduler.plan())
    assert (scheduler.running, scheduler.waiting) == (3, 1)
    scheduler.remove(several[4])
    assert (scheduler.running, scheduler.waiting) == (3, 0)


def test_cache_is_promised_once(scheduler):
    first, second = sequence(0, 4, promised=600), sequence(1, 4, promised=600)
    scheduler.add(first)
    scheduler.add(second)
    scheduler.add(sequence(2, 4, promised=64))  # would fit, but doesn't overtake
    scheduler.plan()
    assert (scheduler.running, scheduler.waiting) == (1, 2)
    scheduler.remove(first)
    scheduler.plan()
    assert (scheduler.running, scheduler.waiting) == (2, 0)
