"""What an answer consists of, and why it ends. `Rig.complete` checks order, finish and usage of every answer."""

from __future__ import annotations

import pytest

from backends.types import Feature, FinishReason
from tests.contract.rig import request, soon


async def test_answer_of_max_tokens(rig):
    answer = await rig.complete(request(max_tokens=24))
    assert len(answer.token_ids) == 24
    assert answer.reason is FinishReason.MAX_TOKENS


async def test_smallest_request(rig):
    answer = await rig.complete(request(prompt=(3,), max_tokens=1))
    assert len(answer.token_ids) == 1
    assert answer.reason is FinishReason.MAX_TOKENS


async def test_nothing_follows_the_last_delta(rig):
    deltas = rig.backend.generate(request(max_tokens=3))
    while not (await soon(anext(deltas))).finish:
        pass
    with pytest.raises(StopAsyncIteration):
        await soon(anext(deltas))
    assert rig.counts() == (0, 0)


async def test_answer_fills_the_context(rig):
    length = rig.capabilities.context_length
    answer = await rig.complete(request(prompt=(9,) * (length - 5), max_tokens=50))
    assert len(answer.token_ids) == 5
    assert answer.reason is FinishReason.CONTEXT_LIMIT


async def test_max_tokens_goes_before_the_context_limit(rig):
    length = rig.capabilities.context_length
    answer = await rig.complete(request(prompt=(9,) * (length - 5), max_tokens=5))
    assert answer.reason is FinishReason.MAX_TOKENS


async def test_longest_prompt_leaves_one_token(rig):
    length = rig.capabilities.context_length
    answer = await rig.complete(request(prompt=(9,) * (length - 1), max_tokens=2))
    assert len(answer.token_ids) == 1
    assert answer.reason is FinishReason.CONTEXT_LIMIT


async def test_any_prompt_length_around_powers_of_two(rig):
    lengths = [length + more for length in (1, 16, 32, 64, 128, 256) for more in (0, 1, 2)]
    for answer in await rig.complete_all(request(prompt=(5,) * length, max_tokens=3) for length in lengths):
        assert len(answer.token_ids) == 3


async def test_stop_token_is_the_last_id(rig):
    plain = await rig.token_ids()
    stops = plain[::4]
    wanted = [request(stop_token_ids=frozenset({stop})) for stop in stops]
    for stop, answer in zip(stops, await rig.complete_all(wanted), strict=True):
        assert answer.token_ids == plain[: plain.index(stop) + 1]
        assert answer.reason is FinishReason.STOP


async def test_first_of_several_stop_tokens_counts(rig):
    plain = await rig.token_ids()
    unused = next(token_id for token_id in range(len(plain) + 1) if token_id not in plain)
    answer = await rig.complete(request(stop_token_ids=frozenset({*plain[2:], unused})))
    assert answer.token_ids == plain[: min(map(plain.index, plain[2:])) + 1]
    assert answer.reason is FinishReason.STOP


async def test_stop_goes_before_max_tokens(rig):
    plain = await rig.token_ids()
    position = plain.index(plain[5])
    answer = await rig.complete(request(max_tokens=position + 1, stop_token_ids=frozenset({plain[5]})))
    assert answer.token_ids == plain[: position + 1]
    assert answer.reason is FinishReason.STOP


async def test_stop_tokens_of_the_prompt_stop_nothing(rig):
    plain = await rig.token_ids(max_tokens=8)
    unused = frozenset({11, 7, 5, 3} - set(plain))
    assert unused
    assert await rig.token_ids(max_tokens=8, stop_token_ids=unused) == plain


async def test_no_stop_token_before_min_tokens(rig):
    rig.needs(Feature.MIN_TOKENS)
    plain = await rig.token_ids()
    position = plain.index(plain[2])
    stops = frozenset({plain[2]})
    answer = await rig.complete(request(min_tokens=9, stop_token_ids=stops))
    assert answer.token_ids[:position] == plain[:position]
    assert not stops & set(answer.token_ids[:9])
    assert len(answer.token_ids) >= 9


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("min_tokens", [0, 1, 4])
async def test_stop_token_may_come_right_after_min_tokens(rig, temperature, min_tokens):
    rig.needs(Feature.MIN_TOKENS, Feature.LOGIT_BIAS)
    forced = {"stop_token_ids": frozenset({42}), "logit_bias": ((42, 100.0),), "temperature": temperature}
    answer = await rig.complete(request(min_tokens=min_tokens, **forced))
    assert len(answer.token_ids) == min_tokens + 1
    assert answer.reason is FinishReason.STOP


async def test_min_tokens_beyond_max_tokens_leaves_max_tokens(rig):
    rig.needs(Feature.MIN_TOKENS)
    plain = await rig.token_ids(max_tokens=6)
    answer = await rig.complete(request(max_tokens=6, min_tokens=50, stop_token_ids=frozenset(plain[:1])))
    assert len(answer.token_ids) == 6
    assert answer.reason is FinishReason.MAX_TOKENS


async def test_answers_depend_on_the_prompt(rig):
    answers = await rig.complete_all(request(prompt=(first, 7, 5, 3)) for first in range(8))
    assert len({tuple(answer.token_ids) for answer in answers}) == 8


async def test_answer_starts_the_same_whatever_max_tokens_is(rig):
    plain = await rig.token_ids(max_tokens=24)
    assert await rig.token_ids(max_tokens=10) == plain[:10]


async def test_requests_of_other_salts_share_no_beginning(rig):
    prompt = tuple(index * 7 % 89 for index in range(400))
    wanted = [request(prompt, max_tokens=2, cache_salt=salt) for salt in ("one", "one", "other")]
    first, _, other = [await rig.complete(one) for one in wanted]
    assert first.token_ids == other.token_ids
    for answer in (first, other):
        assert answer.finish is not None
        assert not answer.finish.usage.cached_prompt_tokens
