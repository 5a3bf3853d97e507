"""services.admission.fair: shares by weight and class, for any arrivals; nobody starves, and nothing is lost."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admission.fair import Entry, FairQueue, Priority

COSTS = st.integers(1, 50)
ENTRIES = st.builds(
    Entry, caller=st.sampled_from("abc"), cost=COSTS, outputs=st.integers(1, 4), priority=st.sampled_from(Priority)
)


def fill(queue, caller, count, **fields):
    """Let a caller queue up so many requests."""
    entries = [Entry(caller, **{"cost": 10.0, **fields}) for _ in range(count)]
    for entry in entries:
        queue.push(entry)
    return entries


def callers(queue, count):
    """Whose requests are taken next."""
    return [queue.pop().caller for _ in range(count)]


def test_one_callers_requests_keep_their_order():
    queue = FairQueue()
    entries = fill(queue, "a", 5)
    assert [queue.pop() for _ in range(5)] == entries


def test_a_light_caller_is_next_however_much_a_heavy_one_has_waiting():
    queue = FairQueue()
    fill(queue, "heavy", 100)
    callers(queue, 10)
    fill(queue, "light", 2)
    assert callers(queue, 4).count("light") == 2


def test_by_weight():
    queue = FairQueue()
    fill(queue, "a", 40, weight=3.0)
    fill(queue, "b", 40)
    assert Counter(callers(queue, 40)) == {"a": 30, "b": 10}


def test_by_tokens_not_by_requests():
    queue = FairQueue()
    fill(queue, "long", 40, cost=90.0)
    fill(queue, "short", 40, cost=10.0)
    taken = Counter(callers(queue, 40))
    assert abs(90 * taken["long"] - 10 * taken["short"]) <= 100


def test_what_turns_out_cheaper_is_made_good():
    queue = FairQueue()
    fill(queue, "stops early", 40, cost=100.0)
    fill(queue, "says all", 40, cost=100.0)
    taken = Counter()
    for _ in range(30):
        entry = queue.pop()
        taken[entry.caller] += 1
        queue.settle(entry, 20.0 if entry.caller == "stops early" else 100.0)
    assert taken["stops early"] == 5 * taken["says all"]


def test_nothing_is_saved_up_while_away():
    queue = FairQueue()
    fill(queue, "a", 100)
    callers(queue, 50)
    fill(queue, "b", 100)
    assert Counter(callers(queue, 20)) == {"a": 10, "b": 10}


def test_what_passes_through_counts():
    """Who got all while nobody waited is not first again when somebody does."""
    queue = FairQueue()
    for _ in range(10):
        queue.pass_through(Entry("a", 10.0))
    fill(queue, "a", 2)
    fill(queue, "b", 2)
    assert callers(queue, 1) == ["b"]


def test_classes_share_and_none_starves():
    queue = FairQueue()
    for priority in Priority:
        fill(queue, priority.name, 100, priority=priority)
    taken = Counter(callers(queue, 73))
    assert taken == {"high": 64, "normal": 8, "low": 1}


def test_many_of_a_low_class_are_no_more_than_few():
    queue = FairQueue()
    for number in range(50):
        fill(queue, f"low {number}", 4, priority=Priority.low)
    fill(queue, "normal", 9)
    assert callers(queue, 9).count("normal") >= 7


@given(st.lists(ENTRIES, min_size=1, max_size=60))
def test_whatever_is_pushed_is_popped_once(entries):
    queue = FairQueue()
    for entry in entries:
        queue.push(entry)
    assert queue.outputs == sum(entry.outputs for entry in entries)
    popped = [queue.pop() for _ in entries]
    assert Counter(map(id, popped)) == Counter(map(id, entries))
    assert (len(queue), queue.outputs) == (0, 0)


@pytest.mark.parametrize("seed", range(40))
def test_those_who_always_wait_get_their_shares(seed):
    """For any costs: no two differ by more than one largest request each (Goyal, Vin, Cheng 1996, theorem 1)."""
    rng = random.Random(seed)
    arrivals = [(rng.choice("abcd"), rng.choice((1, 2, rng.randint(1, 50), 50))) for _ in range(rng.randint(20, 80))]
    weights = {caller: rng.randint(1, 4) for caller in "abcd"}
    queue, given_out = FairQueue(), Counter()
    waiting = Counter(caller for caller, _ in arrivals)
    for caller, cost in arrivals:
        queue.push(Entry(caller, cost, weight=weights[caller]))
    while len(waiting) == 4:
        entry = queue.pop()
        given_out[entry.caller] += entry.cost
        waiting[entry.caller] -= 1
        waiting = +waiting
        served = [given_out[caller] / weights[caller] for caller in "abcd"]
        bound = 50 / min(weights.values()) * 2
        assert max(served) - min(served) <= bound


@given(st.lists(st.one_of(ENTRIES, st.none()), max_size=80))
def test_a_request_waits_no_longer_than_its_share_allows(steps):
    """Starvation freedom: while a low request waits, at most a bounded amount goes before it, whatever comes."""
    queue = FairQueue()
    queue.push(Entry("patient", 1.0, priority=Priority.low))
    before = 0.0
    for step in steps:
        if step is not None:
            queue.push(step)
            continue
        entry = queue.pop()
        if entry.caller == "patient":
            return
        before += entry.cost
        assert before <= (1 + 64 + 8) * 2 * 50 + 3 * 50
        queue.push(Entry(entry.caller, entry.cost, priority=Priority.high))


def test_how_much_is_ahead():
    queue = FairQueue()
    fill(queue, "heavy", 100)
    assert queue.ahead(Entry("heavy", 10.0)) == 1000.0
    assert queue.ahead(Entry("light", 10.0)) == 10.0
    assert queue.ahead(Entry("light", 10.0, weight=2.0)) == 5.0
    assert queue.ahead(Entry("x", 64.0, priority=Priority.high)) == 8.0
    assert queue.ahead(Entry("x", 10.0, priority=Priority.low)) == 80.0


def test_room_is_made_by_who_has_most_waiting_their_newest_first():
    queue = FairQueue()
    entries = fill(queue, "heavy", 4)
    fill(queue, "other", 2)
    assert queue.make_room(Entry("light", 10.0), 2) == [entries[3], entries[2]]
    assert queue.outputs == 4


def test_room_is_not_made_for_who_has_as_much():
    queue = FairQueue()
    fill(queue, "a", 3)
    fill(queue, "b", 2)
    assert queue.make_room(Entry("b", 10.0), 1) == []
    assert queue.make_room(Entry("a", 10.0), 1) == []
    assert queue.outputs == 5


def test_room_is_made_by_the_lowest_class():
    queue = FairQueue()
    normal = fill(queue, "a", 1)
    low = fill(queue, "b", 1, priority=Priority.low)
    assert queue.make_room(Entry("c", 10.0, priority=Priority.low), 1) == []
    assert queue.make_room(Entry("a", 10.0), 1) == low
    assert queue.make_room(Entry("a", 10.0, priority=Priority.high), 1) == normal


def test_where_not_enough_room_can_be_made_all_stay_in_their_order():
    queue = FairQueue()
    entries = fill(queue, "a", 3)
    assert queue.make_room(Entry("b", 10.0), 4) == []
    assert [queue.pop() for _ in range(3)] == entries


def test_callers_who_are_gone_are_forgotten():
    queue = FairQueue()
    for number in range(5000):
        queue.push(Entry(f"caller {number}", 1.0))
        queue.pop()
    assert len(queue._callers[Priority.normal]._times) < 1000
