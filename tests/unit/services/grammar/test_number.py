"""Numbers within bounds: exactly those, and no other spelling."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from services.grammar import number
from services.grammar.number import Bounds
from services.grammar.rule import GrammarError
from tests.unit.services.grammar.follow import matches


def bounds_of(source: random.Random, scale: int):
    ends = sorted(Decimal(source.randint(-250, 250)).scaleb(-scale) for _ in range(2))
    least = ends[0] if source.random() < 0.8 else None
    most = ends[1] if source.random() < 0.8 else None
    return Bounds(least, most, source.random() < 0.3, source.random() < 0.3)


def within(value: Decimal, bounds: Bounds) -> bool:
    low = bounds.least is None or (value > bounds.least if bounds.above_least else value >= bounds.least)
    return low and (bounds.most is None or (value < bounds.most if bounds.below_most else value <= bounds.most))


@pytest.mark.parametrize("seed", range(40))
def test_integers_within_bounds(seed):
    bounds = bounds_of(random.Random(seed), scale=seed % 2)
    try:
        rule = number.integer(bounds)
    except GrammarError:
        assert not any(within(Decimal(value), bounds) for value in range(-300, 300))
        return
    for value in [*range(-300, 300), 999, -1000, 10**17, -(10**17)]:
        assert matches(rule, str(value)) == within(Decimal(value), bounds), value
    assert not any(matches(rule, text) for text in ("-0", "00", "01", "+1", "1.0", "1e1", "", "-", "- 1"))


@pytest.mark.parametrize("seed", range(40))
def test_numbers_within_bounds(seed):
    source = random.Random(seed)
    bounds = bounds_of(source, scale=seed % 3)
    try:
        rule = number.number(bounds)
    except GrammarError:
        assert bounds.least == bounds.most
        return
    if bounds.least is None and bounds.most is None:
        return
    for _ in range(300):
        places = source.randint(0, 4)
        value = Decimal(source.randint(-300 * 10**places, 300 * 10**places)).scaleb(-places)
        text = f"{value:f}"
        expected = within(value, bounds) and not (text.startswith("-") and not value)
        assert matches(rule, text) == expected, text
        assert not matches(rule, f"{text}."), text
    for bound in (bounds.least, bounds.most):
        if bound:
            assert matches(rule, f"{bound:f}") == within(bound, bounds)


def test_any_number():
    rule = number.number(Bounds())
    for text in ("0", "-0", "1", "-12.50", "0.5", "1e5", "1E+05", "-2.5e-99", "123456789012345.123456789012345e99"):
        assert matches(rule, text), text
    for text in ("", "-", "01", ".5", "1.", "1e", "1e+", "1e100", "+1", "NaN", "0x1", "1" * 16):
        assert not matches(rule, text), text


@pytest.mark.parametrize(
    ("make", "bounds"),
    [
        (number.integer, Bounds(Decimal("0.2"), Decimal("0.8"))),
        (number.integer, Bounds(Decimal(3), Decimal(4), above_least=True, below_most=True)),
        (number.integer, Bounds(Decimal(5), Decimal(4))),
        (number.integer, Bounds(Decimal(10**18), None)),
        (number.integer, Bounds(None, Decimal(10**400))),
        (number.number, Bounds(Decimal("0.30000000000000004"), None)),
        (number.number, Bounds(Decimal("1e300"), None)),
        (number.number, Bounds(Decimal("1e-300"), None)),
        (number.number, Bounds(Decimal(1), Decimal(1), above_least=True)),
    ],
)
def test_what_leaves_nothing_or_is_too_long_is_refused(make, bounds):
    with pytest.raises(GrammarError):
        make(bounds)


@pytest.mark.parametrize("bound", ["99999999999", "12345678.5", "0.001", "999999999.99"])
def test_an_excluded_bound_is_excluded_as_a_float_too(bound):
    rule = number.number(Bounds(None, Decimal(bound), below_most=True))
    below = [f"{float(bound) - 10**-places:.{places}f}" for places in range(1, 12)]
    assert any(matches(rule, text) for text in below)
    assert all(float(text) < float(bound) for text in below if matches(rule, text))
