"""How the next id is chosen, judged by the logprobs that the backend itself reports."""

from __future__ import annotations

import itertools
import math

import pytest

from backends.types import Feature, Seeding
from tests.contract.rig import request

NEAR = 1e-3
"""Logprobs closer than this count as equal: kernels differ in the last bits with the shape of the batch."""


async def test_greedy_is_deterministic_and_ignores_the_seed(rig):
    answers = await rig.complete_all(request(seed=seed) for seed in (0, 0, 1, 2**63, 2**64 - 1))
    assert all(answer.token_ids == answers[0].token_ids for answer in answers)


async def test_greedy_ignores_the_fields_after_temperature(rig):
    rig.needs(Feature.TOP_K, Feature.TOP_P, Feature.MIN_P)
    assert await rig.token_ids(top_k=7, top_p=0.1, min_p=0.9) == await rig.token_ids()


async def test_greedy_takes_the_most_likely_id(rig):
    rig.needs(Feature.LOGPROBS)
    answer = await rig.complete(request(logprobs=1))
    for token_id, logprob in zip(answer.token_ids, answer.logprobs, strict=True):
        assert logprob.candidates[0].token_id == token_id
        assert logprob.rank == 1


async def test_seed_makes_the_answer_alone_and_in_company(rig):
    rig.needs_seeding(Seeding.REQUEST)
    wanted = request(temperature=1.0, seed=123)
    alone = await rig.complete(wanted)
    company = [request(prompt=(seed,) * (seed + 1), max_tokens=40, temperature=1.0, seed=seed) for seed in range(16)]
    for answer in (await rig.complete_all([*company[:8], wanted, *company[8:], wanted]))[8::9]:
        assert answer.token_ids == alone.token_ids


async def test_seed_makes_the_answer_among_requests_of_every_kind(rig):
    rig.needs_seeding(Seeding.REQUEST)
    kinds = [
        {},
        {"temperature": 0.0},
        {"top_k": 5},
        {"top_p": 0.8},
        {"min_p": 0.1},
        {"repetition_penalty": 1.5},
        {"presence_penalty": 1.0},
        {"frequency_penalty": 1.0},
        {"logit_bias": ((42, 3.0),)},
        {"min_tokens": 9, "stop_token_ids": frozenset(range(0, 100, 3))},
        {"logprobs": 3},
        {"prompt_logprobs": 2},
    ]
    features = {feature.value for feature in rig.capabilities.features}
    wanted = [
        request((9, index), temperature=1.0, seed=index) if not kind else request(**{"temperature": 1.0, **kind})
        for index, kind in enumerate(kinds)
        if not {feature.value for feature in Feature} & kind.keys() - features
    ]
    alone = [await rig.complete(one) for one in wanted]
    for together in (await rig.complete_all(wanted), (await rig.complete_all(wanted[::-1]))[::-1]):
        assert [answer.token_ids for answer in together] == [answer.token_ids for answer in alone]


async def test_seeds_differ(rig):
    seeds = [0, 1, 2, 3, 2**32, 2**63, 2**64 - 1]
    answers = await rig.complete_all(request(temperature=1.5, seed=seed) for seed in seeds)
    assert len({tuple(answer.token_ids) for answer in answers}) == len(seeds)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_bias_forces_an_id(rig, temperature):
    rig.needs(Feature.LOGIT_BIAS)
    forced = await rig.token_ids(temperature=temperature, logit_bias=((42, 100.0),))
    assert forced == [42] * len(forced)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_bias_forbids_ids(rig, temperature):
    rig.needs(Feature.LOGIT_BIAS)
    plain = set(await rig.token_ids(temperature=temperature))
    bias = tuple((token_id, -100.0) for token_id in plain)
    assert not plain & set(await rig.token_ids(temperature=temperature, logit_bias=bias))


async def test_bias_of_nothing_changes_nothing(rig):
    rig.needs(Feature.LOGIT_BIAS)
    plain = await rig.token_ids(temperature=1.0)
    assert await rig.token_ids(temperature=1.0, logit_bias=((42, 0.0),)) == plain


async def test_bias_is_of_one_request_only(rig):
    rig.needs(Feature.LOGIT_BIAS)
    plain = await rig.token_ids()
    forced, beside = await rig.complete_all([request(logit_bias=((42, 100.0),)), request()])
    assert set(forced.token_ids) == {42}
    assert beside.token_ids == plain


@pytest.mark.parametrize(
    ("feature", "narrowest"),
    [(Feature.TOP_K, {"top_k": 1}), (Feature.TOP_P, {"top_p": 1e-6}), (Feature.MIN_P, {"min_p": 1.0})],
)
async def test_narrowest_truncation_is_greedy(rig, feature, narrowest):
    rig.needs(feature)
    assert await rig.token_ids(temperature=1.0, seed=9, **narrowest) == await rig.token_ids()


async def test_top_k_beyond_the_vocabulary_keeps_all(rig):
    rig.needs(Feature.TOP_K, Feature.LOGPROBS)
    ranks = {logprob.rank for logprob in await sampled_logprobs(rig, temperature=10.0, top_k=10**9)}
    assert max(ranks) > 10


async def sampled_logprobs(rig, **sampling):
    """Return the logprobs of some hundred sampled ids."""
    most = rig.capabilities.max_logprobs
    wanted = [request(max_tokens=40, seed=seed, logprobs=most, **sampling) for seed in range(4)]
    return [logprob for answer in await rig.complete_all(wanted) for logprob in answer.logprobs]


async def test_top_k_keeps_the_k_most_likely(rig):
    rig.needs(Feature.TOP_K, Feature.LOGPROBS)
    ranks = {logprob.rank for logprob in await sampled_logprobs(rig, temperature=2.0, top_k=3)}
    assert ranks == {1, 2, 3}


async def test_top_p_keeps_the_smallest_set_that_reaches_p(rig):
    rig.needs(Feature.TOP_P, Feature.LOGPROBS)
    ranks = set()
    for logprob in await sampled_logprobs(rig, temperature=1.0, top_p=0.5):
        ranks.add(logprob.rank)
        more_likely = [candidate.logprob for candidate in logprob.candidates if candidate.logprob > logprob.logprob]
        assert sum(map(math.exp, more_likely)) < 0.5 + NEAR
    assert len(ranks) > 1


async def test_min_p_keeps_what_is_likely_enough(rig):
    rig.needs(Feature.MIN_P, Feature.LOGPROBS)
    ranks = set()
    for logprob in await sampled_logprobs(rig, temperature=1.0, min_p=0.3):
        ranks.add(logprob.rank)
        assert logprob.logprob >= logprob.candidates[0].logprob + math.log(0.3) - NEAR
    assert len(ranks) > 1


async def test_temperature_comes_before_truncation(rig):
    # So flat a distribution lets top_p through what the model's own would cut.
    rig.needs(Feature.TOP_P, Feature.LOGPROBS)
    let_through = 0
    for logprob in await sampled_logprobs(rig, temperature=50.0, top_p=0.2):
        more_likely = [candidate.logprob for candidate in logprob.candidates if candidate.logprob > logprob.logprob]
        let_through += sum(map(math.exp, more_likely)) > 0.2 + NEAR
    assert let_through


@pytest.mark.parametrize(
    ("feature", "beside"),
    [
        (Feature.LOGPROBS, {}),
        (Feature.LOGIT_BIAS, {"logit_bias": ((42, -1.0),)}),
        (Feature.PRESENCE_PENALTY, {"presence_penalty": 0.1}),
        (Feature.TOP_K, {"top_k": 50}),
    ],
)
async def test_higher_temperature_picks_less_likely_ids(rig, feature, beside):
    rig.needs(Feature.LOGPROBS, feature)
    means = []
    for temperature in (0.1, 1.0, 10.0):
        logprobs = await sampled_logprobs(rig, temperature=temperature, **beside)
        means.append(sum(logprob.logprob for logprob in logprobs) / len(logprobs))
    assert means == sorted(means, reverse=True)
    assert means[0] > means[2] + 0.5


async def test_ids_are_drawn_as_often_as_they_are_likely(rig):
    rig.needs(Feature.LOGPROBS)
    draws = 400
    wanted = [request(max_tokens=1, temperature=1.0, seed=seed, logprobs=3) for seed in range(draws)]
    answers = await rig.complete_all(wanted)
    for candidate in answers[0].logprobs[0].candidates:
        likely = math.exp(candidate.logprob)
        times = sum(answer.token_ids == [candidate.token_id] for answer in answers)
        assert abs(times - draws * likely) <= 4 * math.sqrt(draws * likely * (1 - likely)) + 1


async def test_draws_of_neighbouring_seeds_and_positions_are_unrelated(rig):
    # Were the draw a function of seed + position, seed 1 would repeat at position 0 what seed 0 drew at position 1.
    rig.needs(Feature.LOGIT_BIAS)
    coin = {"logit_bias": ((40, 100.0), (41, 100.0)), "temperature": 5.0, "max_tokens": 100}
    answers = await rig.complete_all(request(seed=seed, **coin) for seed in range(4))
    tosses = [answer.token_ids for answer in answers]
    assert all(set(toss) == {40, 41} for toss in tosses)
    for one, other in itertools.combinations(tosses, 2):
        for shift in range(-3, 4):
            pairs = list(zip(one[max(shift, 0) :], other[max(-shift, 0) :], strict=False))
            assert sum(ours == theirs for ours, theirs in pairs) < 0.85 * len(pairs)


@pytest.mark.parametrize("penalty", [2.0, -2.0])
@pytest.mark.parametrize(
    ("feature", "name"),
    [(Feature.PRESENCE_PENALTY, "presence_penalty"), (Feature.FREQUENCY_PENALTY, "frequency_penalty")],
)
async def test_presence_and_frequency_penalties_shift_what_the_answer_has(rig, feature, name, penalty):
    rig.needs(feature, Feature.LOGPROBS)
    answer = await rig.complete(request(max_tokens=60, logprobs=rig.capabilities.max_logprobs, **{name: penalty}))
    changed = 0
    for index, (token_id, logprob) in enumerate(zip(answer.token_ids, answer.logprobs, strict=True)):
        before = answer.token_ids[:index]
        times = {seen: before.count(seen) if feature is Feature.FREQUENCY_PENALTY else 1 for seen in before}
        after = {
            candidate.token_id: candidate.logprob - penalty * times.get(candidate.token_id, 0)
            for candidate in logprob.candidates
        }
        chosen = logprob.logprob - penalty * times.get(token_id, 0)
        assert chosen >= max(after.values()) - NEAR
        changed += logprob.rank > 1
    assert changed or penalty < 0 or len(set(answer.token_ids)) == len(answer.token_ids)


async def test_repetition_penalty_disfavours_what_prompt_and_answer_have(rig):
    rig.needs(Feature.REPETITION_PENALTY, Feature.LOGPROBS)
    prompt = tuple(await rig.token_ids(max_tokens=40))
    answer = await rig.complete(
        request(prompt, max_tokens=60, repetition_penalty=1e6, logprobs=rig.capabilities.max_logprobs)
    )
    seen = set(prompt)
    for token_id, logprob in zip(answer.token_ids, answer.logprobs, strict=True):
        unseen = [candidate for candidate in logprob.candidates if candidate.token_id not in seen]
        if unseen and token_id not in seen:
            assert logprob.logprob >= unseen[0].logprob - NEAR
        if logprob.candidates[0].token_id not in seen:
            assert logprob.candidates[0].token_id == token_id
        seen.add(token_id)
    assert len(set(answer.token_ids)) > 30


async def test_of_the_penalties_only_repetition_counts_the_prompt(rig):
    rig.needs(Feature.REPETITION_PENALTY, Feature.PRESENCE_PENALTY, Feature.FREQUENCY_PENALTY)
    prompts = [tuple(range(start, start + 200)) for start in range(0, 300, 10)]
    answers = await rig.complete_all(request(prompt, max_tokens=1) for prompt in prompts)
    prompt, first = next(
        (prompt, answer.token_ids)
        for prompt, answer in zip(prompts, answers, strict=True)
        if answer.token_ids[0] in prompt
    )
    assert await rig.token_ids(prompt=prompt, max_tokens=1, presence_penalty=2.0, frequency_penalty=2.0) == first
    assert await rig.token_ids(prompt=prompt, max_tokens=1, repetition_penalty=1e6) != first
