"""Who is given a call."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter

import pytest
from google.rpc import status_pb2

from services.admission.admission import Demand
from services.guard.config import GuardKind
from services.identity.origin import Origin
from services.routing.budget import RetryBudget
from services.routing.endpoint import Standing
from services.routing.error import Code, UpstreamError
from services.routing.pool import Pool
from services.routing.route import Route
from services.status import DETAILS_KEY
from tests.unit.routing.fake import Clock, upstream


def pool(*upstreams, name="main"):
    """Make a pool that draws the same each time."""
    return Pool(name, upstreams, random.Random(1))


def available(one):
    """Say what a pool is asked for."""
    return one.available


def chosen(made, times=1000, tried=()):
    """Count whom a pool chooses."""
    return Counter(made.choose(available, tried) for _ in range(times))


def test_only_who_serves_is_chosen():
    well, ill = upstream(), upstream(serving=False)
    assert set(chosen(pool(well, ill))) == {well}
    assert pool(ill).choose(available, ()) is None
    assert pool(well).choose(available, [well]) is None


def test_of_two_the_one_with_less_to_do():
    busy, idle = upstream(), upstream()
    with busy.working(1000), idle.working(10):
        assert set(chosen(pool(busy, idle))) == {idle}
    assert busy.work == idle.work == 0


def test_the_busiest_of_many_is_never_chosen():
    many = [upstream(f"a:{n}") for n in range(1, 6)]
    for number, one in enumerate(many):
        one.work = number
    counts = chosen(pool(*many))
    assert many[-1] not in counts
    assert counts[many[0]] > counts[many[1]] > counts[many[3]]


def test_equals_share_equally():
    many = [upstream(f"a:{n}") for n in range(1, 5)]
    counts = chosen(pool(*many), 4000)
    assert all(800 < counts[one] < 1200 for one in many)


def test_idle_ones_share_by_weight():
    main, canary = upstream(weight=9.0), upstream(weight=1.0)
    counts = chosen(pool(main, canary), 5000)
    assert 350 < counts[canary] < 650


def test_busy_ones_hold_work_by_weight():
    main, canary = upstream(weight=9.0), upstream(weight=1.0)
    made, rng, running = pool(main, canary), random.Random(2), []
    for _ in range(5000):
        one = made.choose(available, ())
        one.work += 1
        running.append(one)
        if len(running) > 100:
            running.pop(rng.randrange(len(running))).work -= 1
    assert 5 <= canary.work <= 16


def test_who_has_just_come_back_gets_little_at_first():
    clock = Clock()
    old, new = [upstream(clock=clock, slow_start_s=10.0) for _ in range(2)]
    new._outlier.came_back()
    assert chosen(pool(old, new))[new] < 300
    clock.pass_(10.0)
    assert chosen(pool(old, new))[new] > 400


def lost():
    """Make what a broken connection is."""
    return UpstreamError(Code.UNAVAILABLE, "Socket closed", ())


def route(*pools):
    """Make a routed model."""
    made = Route("m", (), GuardKind.none, RetryBudget(0.0, 0.0, Clock()))
    made.pools = pools
    return made


def test_the_next_pool_is_for_when_the_first_has_none(caplog):
    first, second = upstream("a:1"), upstream("b:1")
    made = route(pool(first, name="fast"), pool(second, name="slow"))
    assert made.choose().upstream is first
    first.serving = False
    assert [made.choose().pool.name for _ in range(3)] == ["slow"] * 3
    first.serving = True
    assert made.choose().pool.name == "fast"
    assert [record.args for record in caplog.records] == [("m", "slow"), ("m", "fast")]


def test_one_that_was_tried_makes_room_for_the_next_pool():
    first, second = upstream("a:1"), upstream("b:1")
    made = route(pool(first), pool(second, name="slow"))
    assert made.choose([first]).upstream is second
    assert made.choose([first, second]) is None


def test_the_ejected_are_better_than_none():
    clock = Clock()
    first, second = [upstream(a, clock=clock, consecutive_failures=1) for a in ("a:1", "b:1")]
    made = route(pool(first, second))
    first.report(lost())
    assert {made.choose().upstream for _ in range(50)} == {second}
    second.report(lost())
    assert {made.choose().upstream for _ in range(50)} == {first, second}


def test_who_is_about_to_go_is_better_than_none():
    first, second, spare = [upstream(a) for a in ("a:1", "b:1", "c:1")]
    made = route(pool(first, second), pool(spare))
    first.stand(Standing.leaving)
    second.stand(Standing.out)
    assert made.choose().upstream is spare
    spare.serving = False
    assert made.choose().upstream is first
    assert made.serving
    first.serving = False
    assert made.choose() is None
    assert not made.serving


def test_what_comes_while_nobody_answers_is_no_more_than_can_be_computed_then():
    first, second, spare = [upstream(a) for a in ("a:1", "b:1", "c:1")]
    made = route(pool(first, second), pool(spare))
    assert made.slots is None
    first.slots, second.slots, spare.slots = 4, 2, 1
    assert made.slots == 6
    first.serving = False
    assert made.slots == 2
    second.serving = False
    assert made.slots == 1
    spare.serving = False
    assert made.slots == 6


async def test_who_has_just_come_is_not_given_all_that_waits():
    there, new = upstream("a:1"), upstream("b:1")
    made = route(pool(there))
    there.slots, new.asked = 4, False
    waiting = [asyncio.ensure_future(made.admission.enter(Demand(Origin(), 1, 100))) for _ in range(100)]
    await asyncio.sleep(0)
    before = made.admission.computing
    assert before < len(waiting)

    made.pools[0].upstreams = [there, new]
    made.changed()
    assert made.admission.computing == before
    assert set(chosen(made.pools[0])) == {there}

    there.serving = False
    made.changed()
    assert (made.slots, made.admission.computing) == (1, before)
    there.serving = True
    new.slots, new.asked = 4, True
    made.changed()
    assert made.slots == 8
    assert before < made.admission.computing < len(waiting)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def test_since_when_nobody_serves_is_known():
    first, second = [upstream(a, serving=False) for a in ("a:1", "b:1")]
    made = route(pool(first, second))
    made.changed()
    assert made.served_until == -math.inf
    for serving in ((True, True), (False, True)):
        first.serving, second.serving = serving
        made.changed()
        assert made.served_until == -math.inf
    before = time.monotonic()
    second.serving = False
    made.changed()
    since = made.served_until
    assert before <= since <= time.monotonic()
    made.changed()
    assert made.served_until == since


def test_an_error_that_is_an_answer_ejects_nobody():
    one = upstream(consecutive_failures=1)
    one.report(UpstreamError(Code.INVALID_ARGUMENT, "no", ()))
    one.report(UpstreamError(Code.RESOURCE_EXHAUSTED, "full", ()))
    one.report(None)
    assert one.available


@pytest.mark.parametrize(
    ("code", "is_lost"),
    [
        (Code.UNAVAILABLE, True), (Code.INTERNAL, True), (Code.UNKNOWN, True), (Code.CANCELLED, True),
        (Code.DEADLINE_EXCEEDED, False), (Code.RESOURCE_EXHAUSTED, False), (Code.INVALID_ARGUMENT, False),
        (Code.NOT_FOUND, False),
    ],
)  # fmt: skip
def test_what_the_transport_says_is_a_loss_or_not(code, is_lost):
    assert UpstreamError(code, "", ()).lost == is_lost


REFUSALS = (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)


@pytest.mark.parametrize("code", REFUSALS)
def test_a_worker_that_does_not_let_us_in_is_one_that_we_do_not_have(code):
    for trailing in ((), ((DETAILS_KEY, status_pb2.Status(code=code.value[0]).SerializeToString()),)):
        assert UpstreamError(code, "", trailing).refused
        assert UpstreamError(code, "", trailing).lost


@pytest.mark.parametrize("code", [code for code in Code if code not in (Code.OK, Code.UNAVAILABLE, *REFUSALS)])
def test_what_a_worker_says_itself_is_no_loss(code):
    details = status_pb2.Status(code=code.value[0]).SerializeToString()
    assert not UpstreamError(code, "", ((DETAILS_KEY, details),)).lost
