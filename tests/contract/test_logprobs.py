"""What is reported beside the ids is a distribution, and the model's own."""

from __future__ import annotations

import math

import pytest

from backends.types import Feature, Seeding
from tests.contract.rig import request

NEAR = 1e-3


@pytest.fixture
def logprob_rig(rig):
    """The shared backend, where it reports logprobs."""
    rig.needs(Feature.LOGPROBS)
    assert rig.capabilities.max_logprobs >= 5
    return rig


def check_report(token_id, report, count):
    """Check one position's report."""
    assert -math.inf < report.logprob <= 0
    assert report.rank >= 1
    assert len(report.candidates) == count
    ids = [candidate.token_id for candidate in report.candidates]
    logprobs = [candidate.logprob for candidate in report.candidates]
    assert len(set(ids)) == count
    assert logprobs == sorted(logprobs, reverse=True)
    assert all(-math.inf < logprob <= 0 for logprob in logprobs)
    assert sum(map(math.exp, logprobs)) <= 1 + NEAR
    if token_id in ids:
        assert logprobs[ids.index(token_id)] == pytest.approx(report.logprob, abs=NEAR)
        assert report.rank <= ids.index(token_id) + 1
    elif ids:
        assert report.logprob <= logprobs[-1] + NEAR
    if report.rank == 1 and ids:
        assert logprobs[0] == pytest.approx(report.logprob, abs=NEAR)
    if 1 < report.rank <= count:
        assert logprobs[report.rank - 1] == pytest.approx(report.logprob, abs=NEAR)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 3.0])
async def test_reports_hold_together(logprob_rig, temperature):
    counts = (0, 1, 5, logprob_rig.capabilities.max_logprobs)
    wanted = [request(temperature=temperature, logprobs=count) for count in counts]
    for count, answer in zip(counts, await logprob_rig.complete_all(wanted), strict=True):
        for token_id, report in zip(answer.token_ids, answer.logprobs, strict=True):
            check_report(token_id, report, count)


async def test_reports_change_no_id(logprob_rig):
    logprob_rig.needs_seeding(Seeding.REQUEST)
    plain = await logprob_rig.token_ids(temperature=1.0, seed=4)
    assert await logprob_rig.token_ids(temperature=1.0, seed=4, logprobs=3) == plain
    if Feature.PROMPT_LOGPROBS in logprob_rig.capabilities.features:
        assert await logprob_rig.token_ids(temperature=1.0, seed=4, prompt_logprobs=3) == plain


async def test_more_candidates_begin_with_the_fewer(logprob_rig):
    few, many = await logprob_rig.complete_all(request(logprobs=count) for count in (2, 5))
    assert few.token_ids == many.token_ids
    for one, other in zip(few.logprobs, many.logprobs, strict=True):
        assert [candidate.token_id for candidate in one.candidates] == [
            candidate.token_id for candidate in other.candidates[:2]
        ]


@pytest.mark.parametrize(
    ("feature", "change"),
    [
        (None, {"temperature": 0.2}),
        (Feature.TOP_K, {"temperature": 1.0, "top_k": 2}),
        (Feature.LOGIT_BIAS, {"logit_bias": ((42, 100.0),)}),
        (Feature.REPETITION_PENALTY, {"repetition_penalty": 3.0}),
        (Feature.MIN_TOKENS, {"min_tokens": 3, "stop_token_ids": frozenset(range(100))}),
    ],
)
async def test_logprobs_are_of_the_raw_distribution(logprob_rig, feature, change):
    logprob_rig.needs(*filter(None, [feature]))
    raw, changed = await logprob_rig.complete_all(
        request(max_tokens=1, logprobs=5, **fields) for fields in ({}, change)
    )
    for one, other in zip(raw.logprobs[0].candidates, changed.logprobs[0].candidates, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=NEAR)


async def test_forced_id_is_reported_as_unlikely_as_it_is(logprob_rig):
    logprob_rig.needs(Feature.LOGIT_BIAS)
    last = (await logprob_rig.complete(request(max_tokens=1, logprobs=5))).logprobs[0].candidates[-1]
    answer = await logprob_rig.complete(request(max_tokens=1, logprobs=5, logit_bias=((last.token_id, 100.0),)))
    assert answer.token_ids == [last.token_id]
    assert answer.logprobs[0].rank == 5
    assert answer.logprobs[0].logprob == pytest.approx(last.logprob, abs=NEAR)


@pytest.mark.parametrize("length", [1, 2, 30, 300])
async def test_prompt_logprobs_begin_with_none(logprob_rig, length):
    logprob_rig.needs(Feature.PROMPT_LOGPROBS)
    prompt = [(index * 7 + 1) % 97 for index in range(length)]
    for count in (0, 3):
        answer = await logprob_rig.complete(request(prompt, max_tokens=2, prompt_logprobs=count))
        assert answer.prompt_logprobs[0] is None
        for token_id, report in zip(prompt[1:], answer.prompt_logprobs[1:], strict=True):
            assert report is not None
            check_report(token_id, report, count)


async def test_prompt_logprobs_equal_those_of_the_same_ids_in_an_answer(logprob_rig):
    logprob_rig.needs(Feature.PROMPT_LOGPROBS)
    answered = await logprob_rig.complete(request(temperature=1.0, seed=3, logprobs=4))
    prompt = (11, 7, 5, 3, *answered.token_ids)
    for _ in range(2):  # a second time, when a cache may know the prompt
        scored = await logprob_rig.complete(request(prompt, max_tokens=1, prompt_logprobs=4))
        for one, other in zip(answered.logprobs, scored.prompt_logprobs[4:], strict=True):
            assert other is not None
            assert one.logprob == pytest.approx(other.logprob, abs=NEAR)
            for ours, theirs in zip(one.candidates, other.candidates, strict=True):
                assert ours.logprob == pytest.approx(theirs.logprob, abs=NEAR)


async def test_prompt_logprobs_come_with_logprobs(logprob_rig):
    logprob_rig.needs(Feature.PROMPT_LOGPROBS)
    answer = await logprob_rig.complete(request(max_tokens=5, logprobs=2, prompt_logprobs=3))
    assert [len(report.candidates) for report in answer.logprobs] == [2] * 5
    assert [len(report.candidates) for report in answer.prompt_logprobs[1:] if report] == [3] * 3
