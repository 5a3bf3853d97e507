"""What is this backend's alone: the engine's death and silence, aborts, and the slots meanwhile."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest
import pytest_asyncio

from backends.errors import ComputeError, LoadError, UnavailableError
from backends.tensorrt_llm import backend as module
from backends.tensorrt_llm import flow
from backends.tensorrt_llm.backend import TensorrtLlmBackend
from backends.tensorrt_llm.flow import draw_seed
from backends.tensorrt_llm.ticket import EngineAnswerError, Ticket, token_logprob
from backends.types import FinishReason
from tests.contract.rig import request, soon
from tests.tensorrt_llm import fake
from tests.tensorrt_llm.result import CompletionOutput, Logprob, RequestError


@pytest_asyncio.fixture
async def backend(tmp_path, monkeypatch):
    """A loaded backend with two slots."""
    monkeypatch.setattr(module, "_HEALTH_S", 0.01)
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        loaded = TensorrtLlmBackend(checkpoint=str(folder), max_concurrency=2)
        await soon(loaded.load())
        yield loaded
        await soon(loaded.close())


def engine():
    return fake.LLM.made[-1].engine


async def until(condition):
    async def poll():
        while not condition():  # noqa: ASYNC110 - a poll is all that there is
            await asyncio.sleep(0.001)

    await soon(poll())


async def complete(backend, wanted):
    async with aclosing(backend.generate(wanted)) as deltas:
        return [token_id async for delta in deltas for token_id in delta.token_ids]


async def test_a_death_that_nobody_asked_about_is_noticed(backend):
    engine().stop()
    await until(lambda: not backend.health().ready)
    assert backend.health().reason == "the engine died"


async def test_an_engine_that_was_shut_down_is_dead(backend):
    fake.LLM.made[-1].shutdown()
    with pytest.raises(UnavailableError):
        await soon(complete(backend, request()))
    assert not backend.health().ready


async def test_an_engine_that_falls_silent_is_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_HEALTH_S", 0.01)
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        silent = TensorrtLlmBackend(checkpoint=str(folder), silence_s=0.05, statistics={"enabled": False})
        await soon(silent.load())
        assert len(await soon(complete(silent, request(max_tokens=3)))) == 3
        await asyncio.sleep(0.1)  # nothing runs: that is no silence
        assert silent.health().ready
        engine().hung = True
        with pytest.raises(UnavailableError):
            await soon(complete(silent, request(max_tokens=3)))
        assert silent.health().reason == "the engine fell silent"
        engine().hung = False
        await soon(silent.close())


async def test_an_engine_that_fails_every_request_is_given_up(backend, caplog):
    """What a step raises is told to each request as its own, and the engine goes on calling itself healthy."""
    running = [asyncio.create_task(complete(backend, request((index,), 900))) for index in range(2)]
    await until(lambda: len(engine().running) == 2)
    engine().doomed = lambda sequence: RequestError("total_num_tokens should not exceed max_num_tokens")
    assert {type(one) for one in await soon(asyncio.gather(*running, return_exceptions=True))} == {UnavailableError}
    assert backend.health().reason == "the engine fails every request"
    with pytest.raises(UnavailableError):
        await soon(complete(backend, request()))


async def test_a_request_that_fails_again_and_again_ends_nothing_else(backend):
    engine().doomed = lambda sequence: RequestError("no luck") if sequence.prompt[0] == 66 else None
    for _ in range(20):
        with pytest.raises(ComputeError):
            await soon(complete(backend, request((66,))))
    await until(lambda: backend._probing is None)
    assert backend.health().ready
    assert len(await soon(complete(backend, request(max_tokens=3)))) == 3


async def test_failures_beside_answers_are_no_loss(backend):
    running = asyncio.create_task(complete(backend, request(max_tokens=900)))
    await until(lambda: engine().running)
    engine().doomed = lambda sequence: RequestError("no luck") if len(sequence.prompt) == 1 else None  # the probe too
    with pytest.raises(ComputeError):
        await soon(complete(backend, request((66,))))
    await until(lambda: backend._probing is None)
    assert backend.health().ready
    assert len(await soon(running)) == 900


async def test_a_probe_that_is_not_answered_is_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_HEALTH_S", 0.01)
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        mute = TensorrtLlmBackend(checkpoint=str(folder), silence_s=0.05, statistics={"enabled": False})
        await soon(mute.load())

        def fail_once(sequence):
            engine().hung = True
            return RequestError("no luck")

        engine().doomed = fail_once
        with pytest.raises(UnavailableError):
            await soon(complete(mute, request((66,))))
        assert mute.health().reason == "the engine fell silent"
        engine().hung = False
        await soon(mute.close())


@pytest.mark.parametrize("error", [ValueError("max_tokens"), TypeError("top_k"), AssertionError("logprobs length")])
async def test_a_request_that_the_vendor_refuses_is_no_death(backend, monkeypatch, error):
    generate_async = type(fake.LLM.made[-1]).generate_async

    def refuse(self, inputs, **named):
        if inputs["prompt_token_ids"][0] == 66:
            raise error
        return generate_async(self, inputs, **named)

    monkeypatch.setattr(type(fake.LLM.made[-1]), "generate_async", refuse)
    with pytest.raises(ComputeError):
        await soon(complete(backend, request((66,))))
    assert len(await soon(complete(backend, request(max_tokens=3)))) == 3


async def test_death_frees_who_waits_and_who_runs(backend):
    tasks = [asyncio.create_task(complete(backend, request((index,), 900))) for index in range(5)]
    await until(lambda: (backend.health().running, backend.health().waiting) == (2, 3))
    engine().doomed = lambda sequence: RuntimeError("CUDA")
    outcomes = await soon(asyncio.gather(*tasks, return_exceptions=True))
    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    health = backend.health()
    assert (health.ready, health.running, health.waiting) == (False, 0, 0)
    assert "RuntimeError" in health.reason


async def test_an_abort_that_is_not_confirmed_is_given_up(backend, monkeypatch, caplog):
    monkeypatch.setattr(module, "_ABORT_S", 0.01)
    deltas = backend.generate(request(max_tokens=900))
    await soon(anext(deltas))
    engine().hung = True
    with caplog.at_level(logging.WARNING):
        await soon(deltas.aclose())
    assert "did not confirm" in caplog.text
    assert backend.health().running == 0
    engine().hung = False


async def test_the_slot_is_held_until_the_abort_is_confirmed(backend):
    deltas = backend.generate(request(max_tokens=900))
    await soon(anext(deltas))
    engine().hung = True
    closing = asyncio.create_task(deltas.aclose())
    await asyncio.sleep(0)
    assert backend.health().running == 1
    assert not closing.done()
    engine().hung = False
    await soon(closing)
    assert backend.health().running == 0


async def test_a_cancelled_request_is_told_apart_from_one_that_the_engine_drops(backend):
    running = asyncio.create_task(complete(backend, request(max_tokens=900)))
    await until(lambda: engine().running)
    engine().cancel(next(iter(engine().running)))
    with pytest.raises(ComputeError):
        await soon(running)
    assert backend.health().ready


async def test_answers_that_the_api_does_not_have_fail_one_request(backend, monkeypatch):
    monkeypatch.setattr(type(engine()), "_end", lambda self, sequence, token_id: ("stop", []))
    with pytest.raises(ComputeError):
        await soon(complete(backend, request(max_tokens=3)))
    monkeypatch.undo()
    assert len(await soon(complete(backend, request(max_tokens=3)))) == 3


async def test_a_prompt_above_a_step_is_refused_without_chunks(tmp_path):
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        backend = TensorrtLlmBackend(checkpoint=str(folder), max_batch_tokens=64, chunked_prefill=False)
        await soon(backend.load())
        with pytest.raises(Exception, match="65 tokens; at most 64 fit"):
            await soon(complete(backend, request((1,) * 65)))
        assert len(await soon(complete(backend, request((1,) * 64, max_tokens=2)))) == 2
        await soon(backend.close())


async def test_what_the_vendor_raises_at_load_is_a_load_error(tmp_path, monkeypatch, caplog):
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        monkeypatch.setattr(fake.LLM, "_check", lambda self, cache: 1 / 0)
        backend = TensorrtLlmBackend(checkpoint=str(folder))
        with pytest.raises(LoadError, match="ZeroDivisionError"):
            await soon(backend.load())
        await soon(backend.close())
    assert "ZeroDivisionError" in caplog.text


async def test_a_load_that_is_overtaken_leaves_no_engine(tmp_path):
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        backend = TensorrtLlmBackend(checkpoint=str(folder))
        loading = asyncio.create_task(backend.load())
        await asyncio.sleep(0)
        await soon(backend.close())
        with pytest.raises(LoadError):
            await soon(loading)
        await until(lambda: all(not llm.engine.alive for llm in fake.LLM.made))
        assert not backend.health().ready


async def test_repeated_prompts_are_told_as_cached(backend):
    wanted = request(tuple(i % 90 for i in range(100)), max_tokens=1)
    cached = []
    for _ in range(2):
        async with aclosing(backend.generate(wanted)) as deltas:
            cached += [delta.finish.usage.cached_prompt_tokens async for delta in deltas]
    assert cached == [0, 96]


async def test_statistics_come_again_after_a_silence(backend, monkeypatch):
    monkeypatch.setattr(flow, "_STATS_S", 0.01)
    monkeypatch.setattr(module, "_USAGE_S", 0.005)
    for _ in range(2):
        deltas = backend.generate(request(max_tokens=900))
        await soon(anext(deltas))
        await until(lambda: backend.health().cache_usage is not None)
        await soon(deltas.aclose())
        await until(lambda: fake.LLM.made[-1]._iterations._done)
        monkeypatch.setattr(backend, "_cache_usage", None)


async def test_answers_are_asked_for_as_they_come_and_within_the_context(backend):
    assert len(await soon(complete(backend, request((1,) * 1000, max_tokens=900)))) == 24
    call = fake.LLM.made[-1].calls[-1]
    assert call["streaming"]  # without it, the engine answers once
    assert call["sampling_params"].max_tokens == 24  # more is a ValueError in the compiled flow


async def test_the_wait_for_a_slot_is_told(backend):
    async def waited(index):
        async with aclosing(backend.generate(request((index,), 30))) as deltas:
            *_, last = [delta async for delta in deltas]
        return last.finish.queue_s

    *first, last = await soon(asyncio.gather(*(waited(index) for index in range(3))))
    assert all(seconds < last for seconds in first)


def test_seeds_of_positions_differ_and_the_first_is_the_requests():
    assert draw_seed(7, 0) == 7
    seeds = {draw_seed(seed, position) for seed in range(20) for position in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**64 for seed in seeds)


def output(**fields):
    completion = CompletionOutput(0)
    for name, value in fields.items():
        setattr(completion, name, value)
    return type("Output", (), {"outputs": [completion], "cached_tokens": 0})()


@pytest.mark.parametrize(
    ("ids", "stop_reason", "whole"),
    [([1, 42], None, (1, 42)), ([1, 42], 42, (1, 42)), ([1], 42, (1, 42)), ([], 43, (43,)), ([1], None, (1, 42))],
)
async def test_the_stop_token_is_there_once(ids, stop_reason, whole):
    ticket = Ticket(request(stop_token_ids=frozenset({42, 43})))
    ticket.add(output(token_ids=ids, finish_reason="stop", stop_reason=stop_reason))
    delta = await ticket.take()
    assert delta.token_ids == whole
    assert delta.finish.reason is FinishReason.STOP
    assert delta.finish.usage.completion_tokens == len(whole)


@pytest.mark.parametrize(
    "fields",
    [
        {"token_ids": [1], "finish_reason": "stop"},
        {"token_ids": [1], "finish_reason": "timeout"},
        {"token_ids": [1], "finish_reason": "not_finished"},
    ],
)
def test_impossible_ends_are_told(fields):
    with pytest.raises(EngineAnswerError):
        Ticket(request()).add(output(**fields))


@pytest.mark.parametrize("logprobs", [[], [{2: Logprob(-1.0, 1)}], [{1: Logprob(-1.0, 1)}] * 2])
def test_logprobs_of_other_ids_are_told(logprobs):
    with pytest.raises(EngineAnswerError):
        Ticket(request(logprobs=1)).add(output(token_ids=[1], logprobs=logprobs))


def test_a_logprob_beside_its_candidates():
    entry = {5: Logprob(-0.5, 1), 6: Logprob(-1.5, 2), 9: Logprob(-7.0, 30)}
    told = token_logprob(9, entry, 2)
    assert (told.rank, told.logprob) == (30, -7.0)
    assert [candidate.token_id for candidate in told.candidates] == [5, 6]
    assert token_logprob(6, {5: Logprob(-0.5), 6: Logprob(-1.5)}, 0).rank == 2
    assert token_logprob(5, {5: Logprob(1e-7, 1)}, 1).logprob == 0.0
