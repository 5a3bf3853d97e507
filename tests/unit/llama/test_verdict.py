"""What a guard wrote, read; and its first token's probability."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama.verdict import Decision, Verdict, read_verdict, unsafe_probability

KNOWN = [f"S{number}" for number in range(1, 15)]
SAFE, UNSAFE, UNPARSEABLE = Decision


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("safe", Verdict(SAFE)),
        ("safe\n", Verdict(SAFE)),
        ("\n\nsafe", Verdict(SAFE)),
        ("unsafe\nS1", Verdict(UNSAFE, ("S1",))),
        ("unsafe\nS1,S10", Verdict(UNSAFE, ("S1", "S10"))),
        ("unsafe\n S10 , S1,S10 ", Verdict(UNSAFE, ("S10", "S1"))),
        ("unsafe\nS1,S99,rm -rf", Verdict(UNSAFE, ("S1",))),
        ("unsafe", Verdict(UNSAFE)),
        ("unsafe\n\nS1", Verdict(UNSAFE)),
        ("unsafe\nS2\nbecause", Verdict(UNSAFE, ("S2",))),
        ("", Verdict(UNPARSEABLE)),
        ("safe\nS1", Verdict(UNPARSEABLE)),
        ("safe and sound", Verdict(UNPARSEABLE)),
        ("unsafely", Verdict(UNPARSEABLE)),
        ("I think it is safe", Verdict(UNPARSEABLE)),
    ],
)
def test_what_was_written(text, verdict):
    assert read_verdict(text, KNOWN, complete=True) == verdict


@pytest.mark.parametrize(
    ("text", "categories"),
    [("unsafe\nS1", ()), ("unsafe\nS2,S1", ("S2",)), ("unsafe\nS2,", ("S2",)), ("unsafe\nS2,S1\n", ("S2",))],
)
def test_a_code_that_may_have_been_cut_is_not_read(text, categories):
    """`S1` may be the beginning of `S10`."""
    assert read_verdict(text, KNOWN, complete=False) == Verdict(UNSAFE, categories)


@given(text=st.text())
def test_only_the_word_itself_is_safe(text):
    assert (read_verdict(text, KNOWN, complete=True).decision is SAFE) == (text.strip() == "safe")


def test_probability_is_between_the_two_words():
    assert unsafe_probability(math.log(0.6), math.log(0.2)) == pytest.approx(0.25)
    assert unsafe_probability(math.log(0.2), math.log(0.6)) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("safe", "unsafe", "expected"),
    [(None, -1.0, 1.0), (-1.0, None, 0.0), (None, None, None), (0.0, -2000.0, 0.0), (-2000.0, 0.0, 1.0)],
)
def test_a_word_that_is_no_candidate_counts_as_impossible(safe, unsafe, expected):
    assert unsafe_probability(safe, unsafe) == (expected if expected is None else pytest.approx(expected))
