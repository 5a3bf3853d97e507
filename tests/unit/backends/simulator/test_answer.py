"""The quick ways to an id equal the long one, and plans are followed."""

import pytest

from backends.simulator.answer import Answer
from backends.simulator.model import ToyModel
from backends.types import FinishReason, GenerationRequest, Sampling

MODEL = ToyModel(256, 0, 199)


def complete(request, plan=None, context_length=1000):
    answer = Answer(request, MODEL, plan, context_length)
    while not answer.finish:
        answer.advance()
    delta = answer.take()
    assert delta.finish is answer.finish
    return delta


def request(max_tokens=50, prompt=(1, 2, 3), stop_token_ids=frozenset(), min_tokens=0, **sampling):
    return GenerationRequest(
        prompt=prompt,
        max_tokens=max_tokens,
        sampling=Sampling(**{"seed": 5, **sampling}),
        stop_token_ids=frozenset(stop_token_ids),
        min_tokens=min_tokens,
    )


@pytest.mark.parametrize(
    "sampling",
    [{"temperature": 0.0}, {}, {"temperature": 0.5, "top_p": 0.9}, {"top_k": 5, "min_p": 0.05}],
)
def test_quick_ways_equal_the_long_one(sampling):
    # A bias of 0 edits nothing, but takes the long way.
    assert complete(request(**sampling)) == complete(request(**sampling, logit_bias=((9, 0.0),)))


def test_plan_is_answered_and_then_a_stop_token():
    delta = complete(request(stop_token_ids={250, 251}), plan=(7, 8, 9))
    assert delta.token_ids == (7, 8, 9, 250)
    assert delta.finish.reason is FinishReason.STOP


def test_plan_is_cut_by_its_own_stop_token():
    assert complete(request(stop_token_ids={8}), plan=(7, 8, 9)).token_ids == (7, 8)


def test_empty_plan_stops_at_once():
    assert complete(request(stop_token_ids={250}), plan=()).token_ids == (250,)


def test_without_stop_tokens_an_answer_goes_on_after_the_plan():
    delta = complete(request(max_tokens=10), plan=(7, 8, 9))
    assert delta.token_ids[:3] == (7, 8, 9)
    assert len(delta.token_ids) == 10


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_min_tokens_bars_the_stop_token_after_the_plan(temperature):
    wanted = request(min_tokens=6, stop_token_ids={250}, temperature=temperature)
    token_ids = complete(wanted, plan=(7, 8, 9)).token_ids
    assert len(token_ids) == 7
    assert token_ids.index(250) == 6


def test_min_tokens_holds_when_every_candidate_is_a_stop_token():
    delta = complete(request(min_tokens=4, stop_token_ids=range(255), temperature=0.0))
    assert delta.token_ids[:4] == (255,) * 4
    assert len(delta.token_ids) == 5
