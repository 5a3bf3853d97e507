"""Probabilities from logits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama.score import attack_probability, sigmoid, softmax

logits = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8)


@given(logits=logits, temperature=st.floats(0.01, 100))
def test_softmax_is_a_distribution_in_the_order_of_the_logits(logits, temperature):
    probabilities = softmax(logits, temperature)
    assert sum(probabilities) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in probabilities)
    ranked = [p for _, p in sorted(zip(logits, probabilities, strict=True))]
    assert ranked == sorted(ranked)


def test_softmax_by_hand():
    assert softmax([0.0, math.log(3)]) == pytest.approx([0.25, 0.75])
    assert softmax([0.0, 2 * math.log(3)], 2) == pytest.approx([0.25, 0.75])


@given(logits=logits)
def test_sigmoid_takes_each_by_itself_and_never_overflows(logits):
    assert sigmoid(logits) == [sigmoid([logit])[0] for logit in logits]
    assert all(0 <= p <= 1 for p in sigmoid(logits, 0.01))


def test_sigmoid_by_hand():
    assert sigmoid([0.0, math.log(3), -2 * math.log(3)], 1) == pytest.approx([0.5, 0.75, 0.1])
    assert sigmoid([2 * math.log(3)], 2) == pytest.approx([0.75])


def test_prompt_guard_1_counts_injections_in_the_words_of_others_only():
    assert attack_probability([0.5, 0.3, 0.2], third_party=False) == pytest.approx(0.2)
    assert attack_probability([0.5, 0.3, 0.2], third_party=True) == pytest.approx(0.5)


@pytest.mark.parametrize("third_party", [False, True])
def test_prompt_guard_2_counts_its_second_label(third_party):
    assert attack_probability([0.6, 0.4], third_party) == pytest.approx(0.4)


def test_rounding_stays_a_probability():
    assert attack_probability([0.0, 0.7000000000000001, 0.3], third_party=True) <= 1
