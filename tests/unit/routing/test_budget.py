"""Retries are a part of the calls, whatever happens."""

from __future__ import annotations

import pytest

from services.routing.budget import RetryBudget
from tests.unit.routing.fake import Clock


@pytest.fixture
def clock():
    return Clock()


def taken(budget, times=10_000):
    """Give how many of so many retries are allowed."""
    return sum(budget.take() for _ in range(times))


def test_calls_earn_retries(clock):
    budget = RetryBudget(0.2, 0.0, clock)
    assert not budget.take()
    for _ in range(100):
        budget.called()
    assert taken(budget) in (19, 20)


def test_a_few_are_there_for_few_calls(clock):
    budget = RetryBudget(0.0, 2.0, clock)
    assert taken(budget) == 20
    clock.pass_(1.0)
    assert taken(budget) == 2
    clock.pass_(1000.0)
    assert taken(budget) == 20


def test_what_was_earned_long_ago_is_forgotten(clock):
    budget = RetryBudget(0.5, 0.0, clock)
    for _ in range(1000):
        budget.called()
    clock.pass_(100.0)
    assert not budget.take()


def test_when_every_call_fails_retries_stay_a_part(clock):
    budget = RetryBudget(0.2, 1.0, clock)
    retries = 0
    for _ in range(10_000):
        clock.pass_(0.01)
        budget.called()
        retries += budget.take()
    assert retries < 10_000 * 0.2 + 100 * 1.0 + 11
