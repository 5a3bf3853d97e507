"""services.admission.limit: at once and per minute, for each caller alone."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admission.limit import Limiter, LimitsConfig, TokenBucket
from services.errors import LimitExceededError
from services.identity.caller import Caller
from tests.unit.routing.fake import Clock


def refused(limiter, caller, tokens=1, model=None):
    """Give what a caller is refused with."""
    with pytest.raises(LimitExceededError) as caught, limiter.holding(caller, tokens, 3.0, model):
        pass
    return caught.value


def test_requests_under_way():
    limiter, caller = Limiter(LimitsConfig(requests=2), Clock()), Caller("a")
    with limiter.holding(caller, 1, 3.0), limiter.holding(caller, 1, 3.0):
        error = refused(limiter, caller)
        assert (error.caller, error.limit, error.retry_after_s) == ("a", "requests", 1.5)
        with limiter.holding(Caller("b"), 1, 3.0):
            pass
    with limiter.holding(caller, 1, 3.0):
        pass
    assert limiter.refused == {"requests": 1}


def test_tokens_under_way():
    limiter, caller = Limiter(LimitsConfig(tokens=100), Clock()), Caller("a")
    with limiter.holding(caller, 60, 3.0):
        assert refused(limiter, caller, 41).limit == "tokens"
        with limiter.holding(caller, 40, 3.0):
            pass
    with limiter.holding(caller, 1000, 3.0):
        assert refused(limiter, caller).limit == "tokens"


def test_requests_per_minute():
    clock = Clock()
    limiter, caller = Limiter(LimitsConfig(requests_per_minute=6), clock), Caller("a")
    for _ in range(6):
        with limiter.holding(caller, 1, 3.0) as hold:
            hold.used = 1
    error = refused(limiter, caller)
    assert (error.limit, error.retry_after_s) == ("requests_per_minute", 10.0)
    clock.pass_(error.retry_after_s)
    with limiter.holding(caller, 1, 3.0) as hold:
        hold.used = 1
    assert refused(limiter, caller).retry_after_s == pytest.approx(10.0)


def test_tokens_per_minute_are_those_that_were_used():
    clock = Clock()
    limiter, caller = Limiter(LimitsConfig(tokens_per_minute=600), clock), Caller("a")
    with limiter.holding(caller, 600, 3.0) as hold:
        assert refused(limiter, caller, 100).retry_after_s == 10.0
        hold.used = 100
    with limiter.holding(caller, 500, 3.0) as hold:
        hold.used = None
    assert refused(limiter, caller, 100).retry_after_s == 10.0


def test_a_request_larger_than_a_minute_waits_for_a_full_one():
    clock = Clock()
    limiter, caller = Limiter(LimitsConfig(tokens_per_minute=60), clock), Caller("a")
    with limiter.holding(caller, 600, 3.0) as hold:
        hold.used = 600
    assert refused(limiter, caller, 600).retry_after_s == 600.0
    clock.pass_(600.0)
    with limiter.holding(caller, 600, 3.0):
        pass


def test_what_was_not_taken_on_costs_nothing():
    limiter, caller = Limiter(LimitsConfig(requests_per_minute=1, tokens_per_minute=10), Clock()), Caller("a")
    for _ in range(5):
        with pytest.raises(ValueError, match="full"), limiter.holding(caller, 10, 3.0):
            raise ValueError("full")


def test_a_callers_own_limits_stand_before_those_of_all():
    limiter = Limiter(LimitsConfig(requests=1, tokens=10), Clock())
    caller = Caller("a", limits=LimitsConfig(requests=2))
    with limiter.holding(caller, 5, 3.0), limiter.holding(caller, 5, 3.0):
        assert refused(limiter, caller).limit == "requests"
    with limiter.holding(caller, 10, 3.0):
        assert refused(limiter, caller).limit == "tokens"


def test_a_limit_that_is_changed_counts_at_once():
    limiter = Limiter(LimitsConfig(), Clock())
    with limiter.holding(Caller("a", limits=LimitsConfig(requests_per_minute=1)), 1, 3.0) as hold:
        hold.used = 1
    with limiter.holding(Caller("a", limits=LimitsConfig(requests_per_minute=2)), 1, 3.0) as hold:
        hold.used = 1
    with limiter.holding(Caller("a"), 1, 3.0):
        pass


def limiters(server, model):
    """A server's and a model's limiter, and what both are told at once."""
    clock = Clock()
    return Limiter(server, clock), Limiter(model, clock, "m"), clock


def test_a_models_limits_hold_beside_the_servers():
    server, model, _ = limiters(LimitsConfig(requests=3), LimitsConfig(requests=1))
    other, caller = Limiter(LimitsConfig(requests=1), Clock(), "other"), Caller("a")
    with server.holding(caller, 1, 3.0, model):
        error = refused(server, caller, model=model)
        assert (error.caller, error.limit, error.model) == ("a", "requests", "m")
        assert "of requests of model 'm'" in str(error)
        with server.holding(caller, 1, 3.0, other), server.holding(Caller("b"), 1, 3.0, model):
            pass
        with server.holding(caller, 1, 3.0, other), server.holding(caller, 1, 3.0):
            error = refused(server, caller, model=Limiter(LimitsConfig(), Clock(), "third"))
            assert (error.limit, error.model) == ("requests", None)
    with server.holding(caller, 1, 3.0, model):
        pass
    assert (server.refused, model.refused, other.refused) == ({"requests": 1}, {"requests": 1}, {})


@pytest.mark.parametrize("refusing", ["server", "model"])
@pytest.mark.parametrize(
    ("limits", "tokens"),
    [
        (LimitsConfig(requests=1), 1),
        (LimitsConfig(tokens=10), 10),
        (LimitsConfig(requests_per_minute=1), 1),
        (LimitsConfig(tokens_per_minute=10), 10),
    ],
    ids=str,
)
def test_what_one_of_them_refuses_takes_nothing_from_the_other(refusing, limits, tokens):
    """Ten refusals: with the narrow one out of the way, the other lets a request of the same size pass."""
    server, model, clock = limiters(limits, limits)
    narrow, kept = (server, model) if refusing == "server" else (model, server)
    caller = Caller("a")
    with narrow.holding(caller, 10, 3.0):
        for _ in range(10):
            assert refused(server, caller, tokens, model).model == narrow.model
    assert sum(narrow.refused.values()) == 10
    assert not kept.refused
    account = kept._accounts["a"]
    assert (account.requests, account.tokens) == (0, 0)
    assert account.is_idle(clock())
    with kept.holding(caller, 10, 3.0):
        pass


@pytest.mark.parametrize(("used", "left"), [(0, 100), (30, 70), (None, 0)])
def test_both_are_given_back_what_was_not_used(used, left):
    per_minute = LimitsConfig(requests_per_minute=2, tokens_per_minute=100)
    server, model, clock = limiters(per_minute, per_minute)
    with server.holding(Caller("a"), 100, 3.0, model) as hold:
        hold.used = used
    for limiter in (server, model):
        buckets = limiter._accounts["a"].buckets
        assert buckets["tokens_per_minute"].wait_s(left, clock()) == 0.0
        assert buckets["tokens_per_minute"].wait_s(left + 1, clock()) > 0.0 or left == 100
        assert (buckets["requests_per_minute"].wait_s(2, clock()) == 0.0) == (used == 0)


def test_of_two_that_refuse_the_longer_wait_is_told():
    for server_limit, model_limit, told in ((6, 1, "m"), (1, 6, None), (6, 6, None)):
        limits = [LimitsConfig(requests_per_minute=n) for n in (server_limit, model_limit)]
        server, model, clock = limiters(*limits)
        for limiter, n in ((server, server_limit), (model, model_limit)):
            for _ in range(n):
                with limiter.holding(Caller("a"), 1, 3.0) as hold:
                    hold.used = 1
        error = refused(server, Caller("a"), model=model)
        assert (error.model, error.retry_after_s) == (told, 60.0 / min(server_limit, model_limit))
        clock.pass_(error.retry_after_s)
        with server.holding(Caller("a"), 1, 3.0, model):
            pass


def test_a_callers_own_limits_neither_widen_nor_replace_a_models():
    server, model, _ = limiters(LimitsConfig(requests=1), LimitsConfig(requests=2))
    wide, narrow = Caller("wide", limits=LimitsConfig(requests=5)), Caller("narrow", limits=LimitsConfig(requests=1))
    with server.holding(wide, 1, 3.0, model), server.holding(wide, 1, 3.0, model):
        assert refused(server, wide, model=model).model == "m"
    with server.holding(narrow, 1, 3.0, model):
        assert refused(server, narrow, model=model).model is None
    unlimited = Limiter(LimitsConfig(), Clock(), "unlimited")
    with server.holding(wide, 1, 3.0, unlimited), server.holding(wide, 1, 3.0, unlimited):
        assert not unlimited.refused


def test_callers_with_nothing_to_remember_are_forgotten():
    limiter = Limiter(LimitsConfig(requests=1), Clock())
    with ExitStack() as stack:
        stack.enter_context(limiter.holding(Caller("stays"), 1, 3.0))
        for number in range(2000):
            with limiter.holding(Caller(f"caller {number}"), 1, 3.0):
                pass
        assert refused(limiter, Caller("stays")).limit == "requests"
    assert len(limiter._accounts) < 1000


@given(
    st.integers(1, 1000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 500)), max_size=60),
)
def test_a_bucket_never_gives_out_more_than_a_burst_and_its_rate(per_minute, asked):
    now, taken = 0.0, 0.0
    bucket = TokenBucket(per_minute, now)
    for pause, amount in asked:
        now += pause
        if not bucket.wait_s(amount, now):
            bucket.take(amount, now)
            taken += amount
    largest = max((amount for _, amount in asked), default=0)
    assert taken <= per_minute + now * per_minute / 60 + max(0, largest - per_minute) + 1e-6


@given(st.integers(1, 1000), st.integers(1, 2000), st.integers(1, 2000))
def test_after_the_wait_that_was_told_it_can_be_taken(per_minute, first, then):
    bucket = TokenBucket(per_minute, 0.0)
    bucket.take(first, 0.0)
    wait_s = bucket.wait_s(then, 0.0)
    assert bucket.wait_s(then, wait_s) == pytest.approx(0.0, abs=1e-6)
