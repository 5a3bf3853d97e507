"""services.identity.origin: what a call may say of itself, and what is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admission.fair import Priority
from services.errors import InvalidArgumentError
from services.identity.caller import ANYONE, Caller
from services.identity.origin import CACHE_SALT_KEY, PRIORITY_KEY, Origin, read_origin

NAMES = st.text("ab", max_size=3)


def read(caller=ANYONE, shares_cache=False, **metadata):
    """Read the origin of a call."""
    keys = {"priority": PRIORITY_KEY, "salt": CACHE_SALT_KEY}
    return read_origin(caller, [(keys[name], value) for name, value in metadata.items()], shares_cache)


@pytest.mark.parametrize(
    ("own", "wanted", "given"),
    [
        ("normal", None, "normal"),
        ("normal", "low", "low"),
        ("normal", "high", "normal"),
        ("high", None, "high"),
        ("high", "normal", "normal"),
        ("low", "high", "low"),
    ],
)
def test_a_priority_is_held_to_the_callers(own, wanted, given):
    asked = {} if wanted is None else {"priority": wanted}
    assert read(Caller("c", priority=Priority[own]), **asked).priority is Priority[given]


@pytest.mark.parametrize("wanted", ["HIGH", "1", "urgent", b"\xff"])
def test_a_priority_that_there_is_not(wanted):
    with pytest.raises(InvalidArgumentError) as caught:
        read(priority=wanted)
    assert [violation.field for violation in caught.value.violations] == [PRIORITY_KEY]


@given(*[NAMES] * 4)
def test_two_callers_never_meet_whatever_salt_they_send(one, other, first, second):
    salts = [read(Caller(f"c{name}"), salt=salt).cache_salt for name, salt in ((one, first), (other, second))]
    assert (salts[0] == salts[1]) == ((one, first) == (other, second))


def test_who_is_not_known_shares_with_all_who_are_not():
    assert read().cache_salt == ""
    assert read(salt="x").cache_salt not in ("", read(Caller("c"), salt="x").cache_salt)


def test_those_of_one_tenant_share_and_so_do_all_where_that_is_wanted():
    one, two = Caller("one", tenant="t"), Caller("two", tenant="t")
    assert read(one).cache_salt == read(two).cache_salt != read(Caller("three")).cache_salt
    assert read(one, shares_cache=True).cache_salt == read(Caller("x"), shares_cache=True).cache_salt == ""
    assert read(one, shares_cache=True, salt="s").cache_salt != ""


def test_what_workers_are_told():
    assert Origin().metadata == []
    assert Origin(priority=Priority.low, cache_salt="s").metadata == [(PRIORITY_KEY, "low"), (CACHE_SALT_KEY, "s")]
    assert Origin().urgent.priority is Priority.high
