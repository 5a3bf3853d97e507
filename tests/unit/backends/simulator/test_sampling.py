"""Each step from logits to an id does what `Sampling` documents."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.simulator.model import FLOOR_LOGIT
from backends.simulator.sampling import allowed, choose, draw, edited, uniform
from backends.types import Sampling

LOGITS = {7: 2.0, 5: 1.0, 3: -1.0}


def ranks_drawn(weights, **sampling):
    return {draw(weights, Sampling(seed=seed, **sampling), 0) for seed in range(400)}


def test_repetition_penalty_divides_positive_and_multiplies_negative_logits_of_prompt_and_answer():
    logits = edited(LOGITS, Sampling(seed=0, repetition_penalty=2.0), frozenset({7, 3}), Counter({9: 1}))
    assert logits == {7: 1.0, 5: 1.0, 3: -2.0, 9: 2 * FLOOR_LOGIT}


def test_presence_counts_once_and_frequency_each_time_in_the_answer():
    answer = Counter({7: 3, 3: 1})
    assert edited(LOGITS, Sampling(seed=0, presence_penalty=0.5), frozenset({5}), answer) == {7: 1.5, 5: 1.0, 3: -1.5}
    assert edited(LOGITS, Sampling(seed=0, frequency_penalty=0.5), frozenset({5}), answer) == {7: 0.5, 5: 1.0, 3: -1.5}


def test_bias_comes_after_penalties_and_adds_up():
    sampling = Sampling(seed=0, repetition_penalty=2.0, logit_bias=((7, 1.0), (7, 2.0), (8, 50.0)))
    assert edited(LOGITS, sampling, frozenset({7}), Counter()) == {7: 4.0, 5: 1.0, 3: -1.0, 8: FLOOR_LOGIT + 50}


def test_barred_ids_go_and_the_lowest_other_id_stands_for_the_rest():
    assert allowed(LOGITS, frozenset({7, 0}), 10) == {5: 1.0, 3: -1.0, 1: FLOOR_LOGIT}
    assert allowed({0: 1.0, 1: 0.0}, frozenset({0}), 2) == {1: 0.0}


def test_temperature_zero_takes_the_highest_and_on_a_tie_the_lowest_id():
    assert choose({7: 1.0, 5: 2.0, 3: 2.0}, Sampling(seed=1, temperature=0.0), 0) == 3


def test_temperature_flattens_and_sharpens():
    def share_of_top(temperature):
        return sum(choose(LOGITS, Sampling(seed=seed, temperature=temperature), 0) == 7 for seed in range(500)) / 500

    assert share_of_top(0.1) > 0.99
    assert share_of_top(1.0) == pytest.approx(0.705, abs=0.08)
    assert share_of_top(100.0) == pytest.approx(1 / 3, abs=0.08)
    assert share_of_top(1e-300) == 1.0


def test_truncation_keeps_what_it_says():
    weights = [1.0, 0.5, 0.25, 0.25]
    assert ranks_drawn(weights) == {0, 1, 2, 3}
    assert ranks_drawn(weights, top_k=2) == {0, 1}
    assert ranks_drawn(weights, top_p=0.5) == {0}
    assert ranks_drawn(weights, top_p=0.51) == {0, 1}
    assert ranks_drawn(weights, top_p=0.99) == {0, 1, 2, 3}
    assert ranks_drawn(weights, min_p=0.5) == {0, 1}
    assert ranks_drawn(weights, min_p=1.0) == {0}
    # top_p counts in what top_k left: 1 of 1.5 is two thirds
    assert ranks_drawn(weights, top_k=2, top_p=0.6) == {0}


@given(
    seed=st.integers(0, 2**64 - 1),
    position=st.integers(0, 2**31),
    top_k=st.integers(0, 30),
    top_p=st.floats(0, 1, exclude_min=True),
    min_p=st.floats(0, 1),
    temperature=st.floats(1e-3, 1e3),
    logits=st.dictionaries(st.integers(0, 99), st.floats(-100, 100), min_size=1),
)
def test_any_draw_is_a_kept_id(seed, position, top_k, top_p, min_p, temperature, logits):
    sampling = Sampling(seed=seed, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    token_id = choose(logits, sampling, position)
    rank = sum(logit > logits[token_id] for logit in logits.values())
    assert rank < (top_k or len(logits))
    assert choose(logits, sampling, position) == token_id


def test_draws_are_uniform_and_differ_by_seed_and_position():
    draws = [uniform(seed, position) for seed in range(50) for position in range(50)]
    assert len(set(draws)) == len(draws)
    assert all(0 <= value < 1 for value in (*draws, uniform(2**64 - 1, 2**40)))
    for tenth in range(10):
        assert sum(tenth <= 10 * value < tenth + 1 for value in draws) == pytest.approx(250, abs=60)
