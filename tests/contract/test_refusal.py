"""What can't be computed is refused at once, by name, and disturbs nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from backends.errors import ContextLengthError, InvalidRequestError, UnsupportedError
from backends.types import Feature, Grammar, Seeding
from tests.contract.checkpoint import STOP
from tests.contract.rig import Rig, request, soon

NAN, INFINITY, HUGE = float("nan"), float("inf"), 987_654_321

INVALID = [
    ("prompt", {"prompt": ()}),
    ("prompt", {"prompt": (1, -1)}),
    ("prompt", {"prompt": (1, HUGE)}),
    ("continuation", {"continuation": (-1,)}),
    ("continuation", {"continuation": (HUGE,)}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": -5}),
    ("max_tokens", {"max_tokens": 3, "continuation": (1, 2, 3)}),
    ("min_tokens", {"min_tokens": -1}),
    ("stop_token_ids", {"stop_token_ids": frozenset({-1})}),
    ("stop_token_ids", {"stop_token_ids": frozenset({HUGE})}),
    ("logprobs", {"logprobs": -1}),
    ("logprobs", {"logprobs": HUGE}),
    ("prompt_logprobs", {"prompt_logprobs": -1}),
    ("prompt_logprobs", {"prompt_logprobs": HUGE}),
    *(("sampling.temperature", {"temperature": value}) for value in (-0.1, NAN, INFINITY)),
    ("sampling.top_k", {"top_k": -1}),
    *(("sampling.top_p", {"top_p": value}) for value in (0.0, -0.5, 1.01, NAN)),
    *(("sampling.min_p", {"min_p": value}) for value in (-0.01, 1.01, NAN)),
    *(("sampling.repetition_penalty", {"repetition_penalty": value}) for value in (0.0, -1.0, NAN, INFINITY)),
    *(("sampling.presence_penalty", {"presence_penalty": value}) for value in (-2.01, 2.01, NAN)),
    *(("sampling.frequency_penalty", {"frequency_penalty": value}) for value in (-2.01, 2.01, NAN)),
    *(("sampling.logit_bias", {"logit_bias": ((3, value),)}) for value in (-100.5, 100.5, NAN)),
    ("sampling.logit_bias", {"logit_bias": ((-1, 1.0),)}),
    ("sampling.logit_bias", {"logit_bias": ((HUGE, 1.0),)}),
    ("sampling.seed", {"seed": -1}),
    ("sampling.seed", {"seed": 2**64}),
]
NEEDING = {
    Feature.TOP_K: {"temperature": 1.0, "top_k": 5},
    Feature.TOP_P: {"temperature": 1.0, "top_p": 0.5},
    Feature.MIN_P: {"temperature": 1.0, "min_p": 0.5},
    Feature.REPETITION_PENALTY: {"repetition_penalty": 1.5},
    Feature.PRESENCE_PENALTY: {"presence_penalty": 0.5},
    Feature.FREQUENCY_PENALTY: {"frequency_penalty": 0.5},
    Feature.LOGIT_BIAS: {"logit_bias": ((3, 1.0),)},
    Feature.MIN_TOKENS: {"min_tokens": 2},
    Feature.LOGPROBS: {"logprobs": 0},
    Feature.PROMPT_LOGPROBS: {"prompt_logprobs": 0},
    Feature.CONTINUATION: {"continuation": (1,)},
    Feature.GRAMMAR: {"grammar": Grammar('root ::= "a"\n'), "stop_token_ids": frozenset({STOP})},
}


async def refusal(rig, error, **fields):
    """Return the error that a request's first step raises."""
    with pytest.raises(error) as caught:
        await soon(anext(rig.backend.generate(request(**fields))))
    return caught.value


def needed(fields):
    """Return the features that a request touches."""
    return [feature for feature in Feature if feature.value in fields]


@pytest.mark.parametrize(("field", "fields"), INVALID, ids=str)
async def test_field_out_of_range_is_named(rig, field, fields):
    rig.needs(*needed(fields))
    error = await refusal(rig, InvalidRequestError, **fields)
    assert error.field == field
    assert error.message


async def test_message_does_not_quote_the_prompt(rig):
    for fields in ({"prompt": (457, 463, -1)}, {"prompt": (457, 463), "max_tokens": 0}):
        message = str(await refusal(rig, InvalidRequestError, **fields))
        assert "457" not in message
        assert "463" not in message


@pytest.mark.parametrize("over", [0, 1, 1000])
async def test_prompt_that_leaves_no_room(rig, over):
    length = rig.capabilities.context_length
    error = await refusal(rig, ContextLengthError, prompt=(1,) * (length + over))
    assert (error.field, error.prompt_tokens, error.limit) == ("prompt", length + over, length - 1)


async def test_prompt_and_continuation_that_leave_no_room(rig):
    rig.needs(Feature.CONTINUATION)
    length = rig.capabilities.context_length
    error = await refusal(rig, ContextLengthError, prompt=(1,) * (length - 2), continuation=(1, 2), max_tokens=9)
    assert (error.prompt_tokens, error.limit) == (length, length - 1)


async def test_most_that_is_accepted(rig):
    rig.needs(Feature.LOGPROBS, Feature.LOGIT_BIAS, Feature.PRESENCE_PENALTY, Feature.FREQUENCY_PENALTY)
    rig.needs(Feature.TOP_K, Feature.TOP_P, Feature.MIN_P, Feature.REPETITION_PENALTY)
    last = rig.capabilities.vocab_size - 1
    for sign in (-1, 1):
        answer = await rig.complete(
            request(
                (0, last),
                stop_token_ids=frozenset({last}),
                logprobs=rig.capabilities.max_logprobs,
                seed=2**64 - 1,
                temperature=1e-3 if sign < 0 else 1e3,
                top_k=10**9,
                top_p=1e-9 if sign < 0 else 1.0,
                min_p=0.0 if sign < 0 else 1.0,
                repetition_penalty=1e-3 if sign < 0 else 1e3,
                presence_penalty=2.0 * sign,
                frequency_penalty=2.0 * sign,
                logit_bias=((0, 100.0 * sign), (last, -100.0)),
            )
        )
        assert answer.token_ids


@pytest.mark.parametrize("feature", Feature)
async def test_absent_feature_is_refused_by_name(rig, feature):
    if feature in rig.capabilities.features:
        await rig.complete(request(**NEEDING[feature]))
    else:
        assert (await refusal(rig, UnsupportedError, **NEEDING[feature])).feature == feature.value


async def test_poor_backend_refuses_each_absent_feature_and_does_the_rest(subject, folder):
    if subject.build_poor is None:
        pytest.skip("this backend always has the same features")
    backend = subject.build_poor(folder)
    rig = Rig(backend, await soon(backend.load()))
    absent = set(Feature) - rig.capabilities.features
    assert absent
    for feature in absent:
        assert (await refusal(rig, UnsupportedError, **NEEDING[feature])).feature == feature.value
    assert len(await rig.token_ids()) == 24
    await soon(backend.close())


async def test_refused_before_it_is_queued(rig):
    async with rig.all_slots_taken():
        await refusal(rig, InvalidRequestError, prompt=())
        await refusal(rig, ContextLengthError, prompt=(1,) * rig.capabilities.context_length)


async def test_disturbs_nobody(rig):
    rig.needs_seeding(Seeding.REQUEST)
    wanted = [request((seed, 8), max_tokens=40, temperature=1.0, seed=seed) for seed in range(4)]
    alone = [await rig.complete(one) for one in wanted]
    together = asyncio.create_task(rig.complete_all(wanted))
    await rig.until(lambda: rig.counts()[0] > 0)
    for _ in range(3):
        await asyncio.gather(
            *(refusal(rig, InvalidRequestError, **fields) for _, fields in INVALID if not needed(fields))
        )
    assert [answer.token_ids for answer in await soon(together)] == [answer.token_ids for answer in alone]


async def test_classify_is_refused_by_a_generator(rig):
    if rig.capabilities.classifies:
        pytest.skip("this backend does both")
    with pytest.raises(UnsupportedError):
        await soon(rig.backend.classify([(1, 2)]))


async def test_refused_request_may_be_corrected(rig):
    wanted = request(max_tokens=5)
    with pytest.raises(InvalidRequestError):
        await soon(anext(rig.backend.generate(replace(wanted, max_tokens=0))))
    assert len((await rig.complete(wanted)).token_ids) == 5
