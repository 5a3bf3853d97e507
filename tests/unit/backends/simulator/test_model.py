"""The toy model is a distribution, and the same one everywhere."""

import math

import pytest

from backends.simulator.model import (
    CANDIDATES,
    FLOOR_LOGIT,
    PLANNED_LOGIT,
    ToyModel,
    class_logits,
    context_of,
    extended,
)

CONTEXTS = [context_of(range(length)) for length in range(1, 200)]


def test_hash_is_of_the_whole_context_and_the_same_on_every_machine():
    assert context_of((1, 2, 3)) == extended(extended(context_of((1,)), 2), 3) == 2967478931
    assert context_of((1, 2)) != context_of((2, 1))


@pytest.mark.parametrize(("vocab_size", "first", "last"), [(128_256, 0, 127_999), (20, 0, 19), (64, 40, 61)])
def test_candidates_are_distinct_ids_of_the_range_and_the_top_is_first(vocab_size, first, last):
    model = ToyModel(vocab_size, first, last)
    for context in CONTEXTS:
        ids = [model.candidate(context, rank) for rank in range(CANDIDATES)]
        assert len(set(ids)) == CANDIDATES
        assert first <= min(ids) <= max(ids) <= last
        assert ids[0] == model.top(context)
        assert list(model.logits(context)) == ids


def test_logits_fall_and_stay_above_the_floor():
    model = ToyModel(512, 0, 511)
    for context in CONTEXTS:
        logits = list(model.logits(context).values())
        assert logits == sorted(logits, reverse=True)
        assert logits[-1] > FLOOR_LOGIT + 10


def test_logprobs_of_the_whole_vocabulary_sum_to_one():
    model = ToyModel(64, 0, 63)
    for context in CONTEXTS:
        logits = model.logits(context)
        total = sum(math.exp(model.logprob(logits, token_id, 0).logprob) for token_id in range(64))
        assert total == pytest.approx(1)


def test_logprob_reports_rank_and_candidates():
    model = ToyModel(64, 0, 63)
    logits = model.logits(CONTEXTS[0])
    ids = list(logits)
    report = model.logprob(logits, ids[2], 3)
    assert report.rank == 3
    assert [candidate.token_id for candidate in report.candidates] == ids[:3]
    assert report.candidates[2].logprob == report.logprob
    outsider = next(token_id for token_id in range(64) if token_id not in logits)
    assert model.logprob(logits, outsider, 0).rank == CANDIDATES + 1


def test_planned_id_stands_above_all():
    model = ToyModel(64, 0, 63)
    for planned in (model.candidate(CONTEXTS[0], 5), 63):
        logits = model.logits(CONTEXTS[0], planned)
        assert next(iter(logits)) == planned
        assert max(logits.values()) == logits[planned] == PLANNED_LOGIT


def test_classes_differ_by_window_and_label():
    logits = class_logits((1, 2, 3), 2)
    assert logits == class_logits((1, 2, 3), 2)
    assert logits[0] != logits[1]
    assert logits != class_logits((1, 2, 4), 2)
    assert all(-4 <= logit < 4 for logit in logits)
