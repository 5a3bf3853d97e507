"""An interrupted answer goes on elsewhere as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.types import Feature, FinishReason, Seeding
from tests.contract.rig import request

KINDS = {
    "greedy": ({}, ()),
    "seeded": ({"temperature": 1.0, "seed": 77}, ()),
    "truncated": (
        {"temperature": 1.5, "seed": 78, "top_k": 30, "top_p": 0.9, "min_p": 0.01},
        (Feature.TOP_K, Feature.TOP_P, Feature.MIN_P),
    ),
    "penalized": (
        {"temperature": 0.8, "repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.7},
        (Feature.REPETITION_PENALTY, Feature.PRESENCE_PENALTY, Feature.FREQUENCY_PENALTY),
    ),
    "biased": ({"temperature": 1.0, "logit_bias": ((40, 5.0), (41, -5.0))}, (Feature.LOGIT_BIAS,)),
    "min_tokens": (
        {"temperature": 1.0, "min_tokens": 20, "stop_token_ids": frozenset(range(0, 512, 3))},
        (Feature.MIN_TOKENS,),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=4,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_resumed_answer_is_the_same_answer(rig, kind, data):
    fields, features = KINDS[kind]
    rig.needs(Feature.CONTINUATION, *features)
    if kind != "greedy":
        rig.needs_seeding(Seeding.POSITION)
    wanted = request(max_tokens=32, **fields)
    whole = await rig.complete(wanted)
    taken = data.draw(st.integers(1, len(whole.token_ids) - 1), label="ids delivered before the interruption")
    rest = await rig.complete(replace(wanted, continuation=tuple(whole.token_ids[:taken])))
    assert rest.token_ids == whole.token_ids[taken:]
    assert rest.finish is not None
    assert whole.finish is not None
    assert rest.finish.reason is whole.finish.reason
    assert rest.finish.usage.completion_tokens == whole.finish.usage.completion_tokens


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_resumed_in_company(rig, temperature):
    rig.needs(Feature.CONTINUATION)
    if temperature:
        rig.needs_seeding(Seeding.POSITION)
    wanted = request(max_tokens=32, temperature=temperature, seed=5)
    whole = await rig.complete(wanted)
    resumed = [replace(wanted, continuation=tuple(whole.token_ids[:taken])) for taken in range(1, 32)]
    for taken, rest in enumerate(await rig.complete_all(resumed), 1):
        assert rest.token_ids == whole.token_ids[taken:]


async def test_penalties_count_what_a_continuation_has(rig):
    rig.needs(Feature.CONTINUATION, Feature.PRESENCE_PENALTY, Feature.FREQUENCY_PENALTY, Feature.REPETITION_PENALTY)
    wanted = request(max_tokens=32, repetition_penalty=1.3, presence_penalty=1.5, frequency_penalty=1.5)
    whole = await rig.token_ids(max_tokens=32, repetition_penalty=1.3, presence_penalty=1.5, frequency_penalty=1.5)
    for taken in (1, 9, 31):
        assert (await rig.complete(replace(wanted, continuation=tuple(whole[:taken])))).token_ids == whole[taken:]


async def test_resumed_answer_does_not_repeat_the_draws_of_its_beginning(rig):
    rig.needs(Feature.CONTINUATION, Feature.LOGIT_BIAS)
    rig.needs_seeding(Seeding.REQUEST)
    coin = {"logit_bias": ((40, 100.0), (41, 100.0)), "temperature": 5.0}
    begun = await rig.token_ids(max_tokens=60, **coin)
    rest = await rig.token_ids(max_tokens=120, continuation=tuple(begun), **coin)
    assert sum(one == other for one, other in zip(begun, rest, strict=True)) < 0.85 * len(begun)


async def test_continuation_with_logprobs_reports_new_ids_only(rig):
    rig.needs(Feature.CONTINUATION, Feature.LOGPROBS)
    wanted = request(max_tokens=10, logprobs=2)
    whole = await rig.complete(wanted)
    rest = await rig.complete(replace(wanted, continuation=tuple(whole.token_ids[:6])))
    assert len(rest.logprobs) == 4
    for one, other in zip(rest.logprobs, whole.logprobs[6:], strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


async def test_continuation_is_no_part_of_prompt_logprobs(rig):
    rig.needs(Feature.CONTINUATION, Feature.PROMPT_LOGPROBS)
    wanted = request(max_tokens=10, continuation=(1, 2, 3), prompt_logprobs=1)
    assert len((await rig.complete(wanted)).prompt_logprobs) == len(wanted.prompt)


async def test_continuation_counts_toward_the_context(rig):
    rig.needs(Feature.CONTINUATION)
    length = rig.capabilities.context_length
    answer = await rig.complete(request((9,) * (length - 10), max_tokens=50, continuation=(4,) * 7))
    assert len(answer.token_ids) == 3
    assert answer.reason is FinishReason.CONTEXT_LIMIT
