"""The engine against the stock model, and against itself in other company."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import ComputeError
from backends.transformers import kernels
from backends.types import FinishReason
from tests.unit.backends.transformers.driver import (
    CONTEXT_LENGTH,
    complete,
    complete_one,
    engine_for,
    prompt,
    request,
)

LENGTHS = (1, 2, 15, 16, 17, 33, 63, 64, 65, 100, 150)
SEEDED = {"temperature": 1.0, "top_p": 0.95}


@pytest.fixture(scope="module")
def engine(checkpoint):
    """Small chunks, so that every prompt beyond 16 tokens takes several steps."""
    return engine_for(checkpoint, prefill_chunk=16, max_batch_tokens=48, max_concurrency=16)


@pytest.fixture
def model(engine, monkeypatch):
    """Let a test put itself between the engine and its model: `model(around)`, with `around(forward, **inputs)`."""
    forward = engine._model

    def install(around):
        monkeypatch.setattr(engine, "_model", lambda **inputs: around(forward, **inputs))

    return install


def stock_greedy(model, ids, count):
    generated = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return generated[0, len(ids) :].tolist()


@pytest.fixture
def without_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "load", lambda: None)


@pytest.mark.parametrize("variant", ["grouped", "tied", "ungrouped", "one_key_head", "llama3_rope", "biased"])
def test_greedy_equals_the_stock_model(stock, variant):
    folder, model = stock(variant)
    engine = engine_for(folder, prefill_chunk=16, max_batch_tokens=48)
    prompts = [prompt(length) for length in LENGTHS]
    answers = complete(engine, [request(ids, 32) for ids in prompts])
    assert [answer.ids for answer in answers] == [stock_greedy(model, ids, 32) for ids in prompts]


@pytest.mark.parametrize("variant", ["grouped", "one_key_head"])
def test_stock_layers_give_the_same_answer(stock, variant):
    folder, model = stock(variant)
    engine = engine_for(folder, fused_layers=False)
    assert complete_one(engine, request(prompt(40), 32)).ids == stock_greedy(model, prompt(40), 32)


@pytest.mark.parametrize("chunk", [1, 7, 64, 256])
def test_chunking_changes_nothing(checkpoint, engine, chunk):
    wanted = [request(prompt(length), 8) for length in LENGTHS]
    other = engine_for(checkpoint, prefill_chunk=chunk, max_batch_tokens=256)
    assert [a.ids for a in complete(other, wanted)] == [a.ids for a in complete(engine, wanted)]


@pytest.mark.parametrize("variant", ["grouped", "one_key_head"])
def test_batch_mates_change_no_bit(stock, variant):
    # More tokens a step than our kernels multiply: alone a request is theirs, in company it is oneDNN's, too.
    check_batch_mates(engine_for(stock(variant)[0], prefill_chunk=16, max_batch_tokens=128, max_concurrency=16))


@pytest.mark.usefixtures("without_kernels")
def test_without_kernels_answers_are_the_stock_models_in_any_company(stock):
    folder, model = stock("one_key_head")
    engine = engine_for(folder, prefill_chunk=16, max_batch_tokens=48, max_concurrency=16)
    assert complete_one(engine, request(prompt(40), 32)).ids == stock_greedy(model, prompt(40), 32)
    check_batch_mates(engine)


def check_batch_mates(engine):
    wanted = [
        request(prompt(length, seed), 40, seed=seed, logprobs=2, **(SEEDED if seed % 2 else {}))
        for seed, length in enumerate(LENGTHS + LENGTHS[:5])
    ]
    together = complete(engine, wanted)
    for answer, alone in zip(together, (complete_one(engine, each) for each in wanted), strict=True):
        assert answer.ids == alone.ids
        assert answer.logprobs == alone.logprobs  # floats, to the last bit


@settings(max_examples=6, derandomize=True, database=None)
@given(data=st.data())
def test_joining_and_leaving_change_nothing(engine, data):
    lengths = data.draw(st.lists(st.integers(1, 90), min_size=2, max_size=10))
    wanted = [request(prompt(n, i), 20, seed=i, **SEEDED) for i, n in enumerate(lengths)]
    arrivals = data.draw(st.lists(st.integers(0, 15), min_size=len(wanted), max_size=len(wanted)))
    departures = data.draw(st.lists(st.none() | st.integers(0, 30), min_size=len(wanted), max_size=len(wanted)))
    received = {ticket: [] for ticket in range(len(wanted))}
    for step in range(200):
        for ticket, each in enumerate(wanted):
            if arrivals[ticket] == step:
                engine.add(ticket, each)
            if departures[ticket] == step and arrivals[ticket] < step:
                engine.cancel(ticket)
        for emission in engine.step():
            received[emission.ticket] += emission.delta.token_ids
        if step > 30 and not engine.running:
            break
    assert (engine.running, engine.waiting, engine.slots_in_use) == (0, 0, 0)
    for ticket, each in enumerate(wanted):
        alone = complete_one(engine, each).ids
        left = departures[ticket] is not None and departures[ticket] > arrivals[ticket]
        assert received[ticket] == (alone[: len(received[ticket])] if left else alone)


@pytest.mark.parametrize("sampling", [{}, SEEDED, {**SEEDED, "frequency_penalty": 0.5, "repetition_penalty": 1.2}])
@pytest.mark.parametrize("taken", [1, 10, 29])
def test_continuation_goes_on_as_if_uninterrupted(engine, sampling, taken):
    whole = complete_one(engine, request(prompt(20), 30, **sampling)).ids
    rest = complete_one(engine, request(prompt(20), 30, continuation=tuple(whole[:taken]), **sampling))
    assert rest.ids == whole[taken:]
    assert rest.finish.usage.completion_tokens == 30
    assert rest.finish.usage.prompt_tokens == 20


def test_logprobs_are_those_of_the_stock_model(stock, engine):
    answer = complete_one(
        engine, request(prompt(40), 20, logprobs=5, prompt_logprobs=3, temperature=1.0, logit_bias=((9, 3.0),))
    )
    ids = [*prompt(40), *answer.ids]
    with torch.inference_mode():
        expected = torch.log_softmax(stock()[1](torch.tensor([ids])).logits[0], dim=-1)
    assert answer.prompt_logprobs[0] is None
    entries = [*answer.prompt_logprobs[1:], *answer.logprobs]
    assert len(entries) == len(ids) - 1
    for position, entry in enumerate(entries):
        row, count = expected[position], 3 if position < 39 else 5
        assert entry.logprob == pytest.approx(row[ids[position + 1]].item(), abs=1e-4)
        assert entry.rank == 1 + (row > row[ids[position + 1]]).sum()
        assert [c.token_id for c in entry.candidates] == row.topk(count).indices.tolist()
        assert [c.logprob for c in entry.candidates] == pytest.approx(row.topk(count).values.tolist(), abs=1e-4)


def test_prompt_logprobs_of_a_single_token(engine):
    assert complete_one(engine, request((5,), 2, prompt_logprobs=2)).prompt_logprobs == (None,)


def test_prompt_logprobs_leave_the_continuation_out(engine):
    whole = complete_one(engine, request(prompt(30), 5, prompt_logprobs=1))
    rest = complete_one(engine, request(prompt(30), 5, prompt_logprobs=1, continuation=tuple(whole.ids[:3])))
    assert len(rest.prompt_logprobs) == 30
    for one, other in zip(whole.prompt_logprobs[1:], rest.prompt_logprobs[1:], strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-5)


def test_context_limit(engine):
    answer = complete_one(engine, request(prompt(CONTEXT_LENGTH - 5), 1000))
    assert (len(answer.ids), answer.finish.reason) == (5, FinishReason.CONTEXT_LIMIT)


def test_stop_ids_and_min_tokens(engine):
    plain = complete_one(engine, request(prompt(9), 30)).ids
    stop = frozenset({plain[4]})
    stopped = complete_one(engine, request(prompt(9), 30, stop_token_ids=stop))
    assert stopped.finish.reason is FinishReason.STOP
    assert stopped.ids == plain[: plain.index(plain[4]) + 1]
    later = complete_one(engine, request(prompt(9), 30, stop_token_ids=stop, min_tokens=20))
    assert len(later.ids) >= 20
    assert not stop & set(later.ids[:20])


def test_failed_step_fails_its_requests_alone(engine, model, caplog):
    def around(forward, **inputs):
        if inputs["input_ids"].shape[1] > 40:
            raise RuntimeError("broken")
        return forward(**inputs)

    good = complete_one(engine, request(prompt(4), 6)).ids
    model(around)
    broken = [request(prompt(16, seed), 6) for seed in range(3)]
    answers = complete(engine, broken)
    assert all(isinstance(answer.error, ComputeError) for answer in answers)
    assert caplog.text.count("Traceback") == 1
    assert "broken" in caplog.text
    assert complete_one(engine, request(prompt(4), 6)).ids == good


def test_output_that_is_not_finite_fails_one_request(engine, model):
    def around(forward, **inputs):
        output = forward(**inputs)
        at = inputs["logits_to_keep"].tolist()
        for row, index in enumerate(at):
            if inputs["input_ids"][0, index] == 7:
                output.logits[0, row, 3] = float("nan")
        return output

    model(around)
    bias = ((7, -100.0),)
    good, bad, fine = complete(
        engine, [request((5, 6), 6, logit_bias=bias), request((5, 7), 6), request((6, 6), 6, logit_bias=bias)]
    )
    assert isinstance(bad.error, ComputeError)
    assert len(good.ids) == len(fine.ids) == 6


def test_poisoned_cache_rows_do_not_outlive_their_request(engine, model):
    alone = complete_one(engine, request(prompt(4), 70)).ids

    def poison(forward, **inputs):
        output = forward(**inputs)
        for group in inputs["paddock_step"].groups:
            group.data[:, :, : len(group.rows)] = float("nan")
        return output

    model(poison)
    assert isinstance(complete_one(engine, request(prompt(4), 70)).error, ComputeError)
    model(lambda forward, **inputs: forward(**inputs))
    assert complete_one(engine, request(prompt(4), 70)).ids == alone


def test_long_prompts_do_not_stall_those_who_decode(engine):
    engine.add(0, request(prompt(4), 60))
    engine.step()
    for ticket in range(1, 6):
        engine.add(ticket, request(prompt(300, ticket), 1))
    tokens, steps = 0, 0
    while engine.running + engine.waiting > 1:
        emissions = engine.step()
        tokens += sum(emission.ticket == 0 for emission in emissions)
        steps += 1
    assert tokens == steps > 19  # 5 * 300 tokens, 48 per step at most
    engine.cancel(0)
    assert engine.slots_in_use == 0


def test_cancelling_at_every_stage_frees_the_slot(engine):
    for steps in range(6):
        engine.add(0, request(prompt(40), 50))  # three steps of prefill, then decode
        for _ in range(steps):
            engine.step()
        engine.cancel(0)
        assert (engine.running, engine.waiting, engine.slots_in_use) == (0, 0, 0)
    assert engine.cancel(0).delta is None  # unknown by now, and answered all the same
    assert engine.step() == []


def test_a_kept_beginning_changes_no_bit(checkpoint):
    engine = engine_for(checkpoint, prefill_chunk=16, max_batch_tokens=48)
    long = request(prompt(70), 20, logprobs=2, **SEEDED)
    fork = request((*prompt(70)[:40], *prompt(30, 1)), 20, logprobs=2, **SEEDED)
    without = engine_for(checkpoint, prefill_chunk=16, max_batch_tokens=48, prefix_cache_gib=0)
    for wanted, reused in ((long, 0), (long, 64), (fork, 32), (fork, 64)):
        answer, cold = complete_one(engine, wanted), complete_one(without, wanted)
        assert (answer.ids, answer.logprobs) == (cold.ids, cold.logprobs)
        assert answer.finish.usage.cached_prompt_tokens == reused
        assert cold.finish.usage.cached_prompt_tokens == 0


def test_the_last_token_of_a_prompt_is_always_computed(engine):
    wanted = request(prompt(32), 4)
    assert complete_one(engine, wanted).finish.usage.cached_prompt_tokens == 0
    assert complete_one(engine, wanted).finish.usage.cached_prompt_tokens == 16


def test_requests_that_begin_alike_at_once_share_the_work(engine, model):
    computed = 0

    def count(forward, **inputs):
        nonlocal computed
        computed += inputs["input_ids"].shape[1]
        return forward(**inputs)

    model(count)
    answers = complete(engine, [request((*prompt(64, 9), ticket), 1, logprobs=1) for ticket in range(8)])
    assert computed == 64 + 8
    assert sum(answer.finish.usage.cached_prompt_tokens for answer in answers) == 7 * 64


def test_prompt_logprobs_are_not_lost_to_a_kept_beginning(engine):
    first = complete_one(engine, request(prompt(50, 8), 2))
    scored = complete_one(engine, request(prompt(50, 8), 2, prompt_logprobs=1))
    assert (scored.ids, len(scored.prompt_logprobs)) == (first.ids, 50)


def test_preemption_changes_no_bit(checkpoint, monkeypatch):
    """A cache for one long request and a bit, and four of them; a little is set aside, so that all begin."""
    monkeypatch.setattr("backends.transformers.sequence._AHEAD", 8)
    tight = {"prefill_chunk": 16, "max_batch_tokens": 48, "cache_gib": 450 * 512 / 2**30, "prefix_cache_gib": 0}
    engine, roomy = engine_for(checkpoint, **tight), engine_for(checkpoint, prefill_chunk=16, max_batch_tokens=48)
    wanted = [
        request(prompt(20 + 9 * n, n), 150 + 9 * n, seed=n, logprobs=1, **(SEEDED if n % 2 else {})) for n in range(4)
    ]
    preempted = []
    release = engine._preempt
    monkeypatch.setattr(engine, "_preempt", lambda: preempted.append(engine.waiting) or release())
    answers = complete(engine, wanted)
    assert any(later > earlier for earlier, later in itertools.pairwise(preempted))
    for answer, alone in zip(answers, (complete_one(roomy, each) for each in wanted), strict=True):
        assert (answer.ids, answer.logprobs) == (alone.ids, alone.logprobs)


def test_a_slot_that_cannot_be_had_fails_one_request(engine, monkeypatch):
    take = engine._cache.open

    def refuse(ticket, tokens):
        if ticket == 1:
            raise MemoryError
        return take(ticket, tokens)

    monkeypatch.setattr(engine._cache, "open", refuse)
    first, second, third = complete(engine, [request(prompt(9, n), 4) for n in range(3)])
    assert isinstance(second.error, ComputeError)
    assert len(first.ids) == len(third.ids) == 4
