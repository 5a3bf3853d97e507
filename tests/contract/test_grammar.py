"""An answer held to a grammar has its form, or says that it was cut."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from dataclasses import replace

import pytest

from backends.errors import InvalidRequestError, UnsupportedError
from backends.types import Feature, FinishReason, Grammar
from tests.contract.checkpoint import STOP, text_of
from tests.contract.rig import request, soon

PAIRS = Grammar('root ::= "(" [a-f] r1\nr1 ::= ")" | "," [a-f] r1\n')
"""A list of letters without end."""
DATE = Grammar('root ::= [0-9] [0-9] [0-9] [0-9] "\\u002d" [0-9] [0-9]\n')
WORDS = Grammar('root ::= "ab" | "abc" | "" | "\\u00e9\\U0001f600"\n')
FORMS = {PAIRS: r"\([a-f](,[a-f])*\)", DATE: r"\d{4}-\d\d", WORDS: "(ab|abc||é😀)"}

STOPS = frozenset({STOP})


def held(grammar: Grammar, **fields: object):
    """Build a request with a grammar."""
    return request(**{"stop_token_ids": STOPS, "temperature": 1.0, "max_tokens": 60, "grammar": grammar, **fields})


@pytest.fixture(autouse=True)
def _needed(rig):
    rig.needs(Feature.GRAMMAR)


@pytest.mark.parametrize("grammar", FORMS, ids=["pairs", "date", "words"])
@pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
async def test_what_ends_by_a_stop_token_has_the_form(rig, grammar, temperature):
    answers = await rig.complete_all(held(grammar, seed=seed, temperature=temperature) for seed in range(12))
    for answer in answers:
        if answer.reason is FinishReason.STOP:
            assert re.fullmatch(FORMS[grammar], text_of(answer.token_ids[:-1]))
        else:
            assert answer.reason is FinishReason.MAX_TOKENS
            assert grammar is PAIRS
    assert any(answer.reason is FinishReason.STOP for answer in answers) or grammar is PAIRS


async def test_where_nothing_else_may_come_it_ends(rig):
    answer = await rig.complete(held(DATE))
    assert answer.reason is FinishReason.STOP
    assert len(text_of(answer.token_ids[:-1])) == 7


async def test_it_is_cut_where_its_tokens_end(rig):
    answer = await rig.complete(held(DATE, max_tokens=3))
    assert answer.reason is FinishReason.MAX_TOKENS
    assert re.fullmatch(r"\d+-?\d*", text_of(answer.token_ids))


async def test_min_tokens_give_way_to_the_form(rig):
    rig.needs(Feature.MIN_TOKENS)
    answers = await rig.complete_all(held(DATE, min_tokens=50, seed=seed) for seed in range(4))
    assert {answer.reason for answer in answers} == {FinishReason.STOP}
    for answer in await rig.complete_all(held(WORDS, min_tokens=1, seed=seed) for seed in range(8)):
        assert answer.token_ids[0] != STOP, "there was something else to choose"
        assert answer.reason is FinishReason.STOP


async def test_no_bias_gets_round_the_form(rig):
    rig.needs(Feature.LOGIT_BIAS)
    free = await rig.token_ids(max_tokens=3)
    biases = tuple((token_id, 100.0) for token_id in {*free, STOP, 0, 500})
    answer = await rig.complete(held(DATE, logit_bias=biases))
    assert answer.reason is FinishReason.STOP
    assert re.fullmatch(FORMS[DATE], text_of(answer.token_ids[:-1]))


async def test_filters_and_penalties_keep_to_the_form(rig):
    rig.needs(Feature.TOP_K, Feature.TOP_P, Feature.MIN_P, Feature.REPETITION_PENALTY, Feature.FREQUENCY_PENALTY)
    fields = {"top_k": 1, "top_p": 0.1, "min_p": 0.9, "repetition_penalty": 5.0, "frequency_penalty": 2.0}
    for answer in await rig.complete_all(held(PAIRS, seed=seed, **fields) for seed in range(4)):
        ended = answer.reason is FinishReason.STOP
        assert re.fullmatch(r"\([a-f](,[a-f])*,?" + r"\)" * ended, text_of(answer.token_ids[: -1 if ended else None]))


async def test_logprobs_are_of_the_model_not_of_the_form(rig):
    rig.needs(Feature.LOGPROBS)
    free = await rig.complete(request(max_tokens=1, logprobs=5))
    bound = await rig.complete(held(DATE, logprobs=5, temperature=0.0))
    assert [c.token_id for c in bound.logprobs[0].candidates] == [c.token_id for c in free.logprobs[0].candidates]
    assert bound.logprobs[0].rank > 1


async def test_company_changes_nothing(rig):
    wanted = [held(grammar, seed=seed) for seed in range(3) for grammar in FORMS]
    wanted += [request(max_tokens=40, temperature=1.0, seed=seed) for seed in range(3)]
    alone = [(await rig.complete(one)).token_ids for one in wanted]
    assert [answer.token_ids for answer in await rig.complete_all(wanted)] == alone
    assert [answer.token_ids for answer in await rig.complete_all(wanted[::-1])] == alone[::-1]


@pytest.mark.parametrize("grammar", FORMS, ids=["pairs", "date", "words"])
async def test_it_is_resumed_where_it_was(rig, grammar):
    rig.needs(Feature.CONTINUATION)
    if not rig.capabilities.resumes_grammar:
        pytest.skip("this backend does not resume forms")
    wanted = held(grammar, seed=3)
    whole = await rig.complete(wanted)
    for taken in range(1, len(whole.token_ids)):
        rest = await rig.complete(replace(wanted, continuation=tuple(whole.token_ids[:taken])))
        assert rest.token_ids == whole.token_ids[taken:]


async def test_a_continuation_out_of_form_is_refused(rig):
    rig.needs(Feature.CONTINUATION)
    if not rig.capabilities.resumes_grammar:
        with pytest.raises(UnsupportedError) as refused:
            await soon(anext(rig.backend.generate(held(DATE, continuation=(1,)))))
        assert refused.value.feature == Feature.CONTINUATION.value
        return
    good = (await rig.complete(held(DATE))).token_ids[:1]
    for continuation in [(STOP,), (*good, STOP), (*good * 9,)]:
        with pytest.raises(InvalidRequestError) as caught:
            await soon(anext(rig.backend.generate(held(DATE, continuation=continuation))))
        assert caught.value.field == "continuation"


async def test_a_grammar_without_a_stop_token_is_refused(rig):
    with pytest.raises(InvalidRequestError) as caught:
        await soon(anext(rig.backend.generate(held(DATE, stop_token_ids=frozenset()))))
    assert caught.value.field == "stop_token_ids"


@pytest.mark.parametrize("source", ["", "no grammar", "root ::= ", "root ::= absent", 'main ::= "a"'])
async def test_what_is_no_grammar_is_refused(rig, source):
    with pytest.raises(InvalidRequestError) as caught:
        await soon(anext(rig.backend.generate(held(Grammar(source)))))
    assert caught.value.field == "grammar"
    assert "absent" not in str(caught.value)


async def test_control_tokens_are_no_text(rig):
    everything = Grammar("root ::= [\\u0001-\\ud7ff\\ue000-\\U0010ffff]{0,40}\n")
    for answer in await rig.complete_all(held(everything, seed=seed, temperature=100.0) for seed in range(8)):
        text_of([token for token in answer.token_ids if token != STOP]).encode()
        assert all(token < STOP for token in answer.token_ids[:-1])


async def test_cancelled_while_its_grammar_is_made(rig):
    grammars = [Grammar(f'root ::= "{index}" [a-z]{{{index},900}}\n') for index in range(1, 30)]
    tasks = [asyncio.create_task(rig.complete(held(grammar, max_tokens=2000))) for grammar in grammars]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await soon(asyncio.wait(tasks))
    assert all(task.cancelled() for task in tasks)
    async with aclosing(rig.backend.generate(held(DATE))) as deltas:
        assert (await soon(anext(deltas))).token_ids


async def test_close_ends_those_whose_grammar_is_made(fresh):
    from backends.errors import UnavailableError

    await soon(fresh.load())
    grammars = [Grammar(f'root ::= "{index}" [a-z]{{{index},900}}\n') for index in range(1, 12)]
    steps = [asyncio.ensure_future(anext(fresh.generate(held(grammar, max_tokens=2000)))) for grammar in grammars]
    await asyncio.sleep(0)
    await soon(fresh.close())
    outcomes = await soon(asyncio.gather(*steps, return_exceptions=True))
    assert all(isinstance(outcome, UnavailableError) or hasattr(outcome, "token_ids") for outcome in outcomes)
    assert any(isinstance(outcome, UnavailableError) for outcome in outcomes)
