"""TensorRT-LLM's traps: ours steps into none, and each check catches the adapter that does.

A check takes an adapter and says what must hold. It passes for our backend over both flows and for the sketch, and
fails for the sketch with one flaw: so what it catches is that flaw.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from backends.errors import BackendError, ComputeError, UnavailableError
from backends.simulator.model import ToyModel, context_of, extended
from backends.tensorrt_llm.backend import TensorrtLlmBackend
from tests.contract.checkpoint import STOP
from tests.contract.rig import request, soon
from tests.tensorrt_llm import fake
from tests.tensorrt_llm.result import RequestError
from tests.unit.backends.tensorrt_llm.sketch import FLAWS, Sketch

VOCAB_SIZE, CONTEXT_LENGTH = 512, 1024
PATIENCE_S = 0.5
"""How long a check waits for what a flawed adapter never does."""


class Ours:
    """Our backend, as the checks see an adapter."""

    def __init__(self, folder, engine=None, max_batch_tokens=8192):
        self._backend = TensorrtLlmBackend(checkpoint=str(folder), engine=engine, max_batch_tokens=max_batch_tokens)

    async def open(self):
        await soon(self._backend.load())
        self.llm = fake.LLM.made[-1]
        return self

    async def close(self):
        await soon(self._backend.close())

    @property
    def is_ready(self):
        return self._backend.health().ready

    @property
    def usage(self):
        return self._backend.health().cache_usage

    async def generate(self, wanted):
        async with aclosing(self._backend.generate(wanted)) as deltas:
            async for delta in deltas:
                yield list(delta.token_ids)


async def complete(adapter, wanted):
    """Take an answer in whole."""

    async def gather():
        ids = []
        async with aclosing(adapter.generate(wanted)) as parts:
            async for part in parts:
                ids += part
        return ids

    return await soon(gather())


def greedy(prompt, count):
    """What the model answers."""
    model, context, ids = ToyModel(VOCAB_SIZE, 0, VOCAB_SIZE - 1), context_of(prompt), []
    for _ in range(count):
        ids.append(model.top(context))
        context = extended(context, ids[-1])
    return ids


async def until(condition):
    """Wait for what the engine's thread does."""

    async def poll():
        while not condition():  # noqa: ASYNC110 - a poll is all that there is
            await asyncio.sleep(0.001)

    await asyncio.wait_for(poll(), PATIENCE_S)


async def answers_come(adapter):
    assert await complete(adapter, request((9, 8, 7), max_tokens=20)) == greedy((9, 8, 7), 20)


async def steps_are_read_in_time(adapter):
    for part_of in range(3):
        wanted = request((part_of,), max_tokens=12)
        assert await complete(adapter, wanted) == greedy((part_of,), 12)


async def leaving_aborts(adapter):
    parts = adapter.generate(request((1,), max_tokens=900))
    await soon(anext(parts))
    await soon(parts.aclose())
    assert adapter.llm.calls[-1]["output"].aborted()
    await until(lambda: not adapter.llm.engine.running)


async def the_loop_goes_on(adapter):
    beats = 0

    async def beat():
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    beating = asyncio.create_task(beat())
    await complete(adapter, request((4,), max_tokens=30))
    beating.cancel()
    assert beats > 30


async def stop_strings_are_not_the_engines(adapter):
    await complete(adapter, request((4,), max_tokens=2))
    params = adapter.llm.calls[-1]["sampling_params"]
    assert params.stop is None
    assert not params.detokenize


async def parameters_are_a_requests_own(adapter):
    assert len(await complete(adapter, request((4,), max_tokens=3))) == 3
    assert len(await complete(adapter, request((4,), max_tokens=5))) == 5
    first, second = (call["sampling_params"] for call in adapter.llm.calls)
    assert first is not second


async def sampled_is_not_greedy(adapter):
    wanted = [request((4,), max_tokens=20, temperature=1.0, seed=seed) for seed in (1, 2, 1)]
    answers = [await complete(adapter, one) for one in wanted]
    assert answers[0] == answers[2] != answers[1]
    assert greedy((4,), 20) not in answers


async def max_tokens_counts(adapter):
    assert len(await complete(adapter, request((4,), max_tokens=40))) == 40


async def only_the_requests_stops_stop(adapter):
    end = {"logit_bias": ((STOP, 100.0),), "max_tokens": 5}
    assert await complete(adapter, request((4,), **end)) == [STOP] * 5
    other = {"logit_bias": ((STOP, 100.0), (42, 50.0)), "max_tokens": 5}
    assert await complete(adapter, request((4,), stop_token_ids=frozenset({42}), **other)) == [STOP] * 5


async def the_stop_token_is_told(adapter):
    stops = frozenset({42, 43})
    for stop in stops:
        assert await complete(adapter, request((4,), stop_token_ids=stops, logit_bias=((stop, 100.0),))) == [stop]


async def long_prompts_are_prefilled_in_chunks(adapter):
    prompt = tuple(i % 90 for i in range(300))
    assert await complete(adapter, request(prompt, max_tokens=3)) == greedy(prompt, 3)


async def a_failure_is_one_requests(adapter):
    adapter.llm.engine.doomed = lambda sequence: RequestError("no luck") if sequence.prompt[0] == 66 else None
    well = asyncio.create_task(complete(adapter, request((4,), max_tokens=30)))
    with pytest.raises(ComputeError) as caught:
        await complete(adapter, request((66,), max_tokens=30))
    assert "luck" not in str(caught.value)
    assert await soon(well) == greedy((4,), 30)
    assert adapter.is_ready


async def death_is_everyones(adapter):
    adapter.llm.engine.doomed = lambda sequence: RuntimeError("CUDA") if sequence.prompt[0] == 66 else None
    others = [asyncio.create_task(complete(adapter, request((index,), max_tokens=900))) for index in range(3)]
    await until(lambda: len(adapter.llm.engine.running) == 3)
    with pytest.raises(UnavailableError):
        await complete(adapter, request((66,)))
    outcomes = await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), PATIENCE_S)
    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    assert not adapter.is_ready
    with pytest.raises(UnavailableError):
        await complete(adapter, request((4,)))


async def a_lost_gpu_is_everyones(adapter):
    lost = "Encountered an error in forward function: CUDA error: an illegal memory access was encountered"
    streams = [asyncio.create_task(complete(adapter, request((index,), max_tokens=900))) for index in range(3)]
    await until(lambda: len(adapter.llm.engine.running) == 3)
    adapter.llm.engine.doomed = lambda sequence: RequestError(lost)
    outcomes = await asyncio.wait_for(asyncio.gather(*streams, return_exceptions=True), PATIENCE_S)
    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    assert not adapter.is_ready


async def ids_go_in_as_they_are(adapter):
    prompt = (fake.BOS, 72, 105)
    await complete(adapter, request(prompt, max_tokens=2))
    assert tuple(adapter.llm.calls[-1]["output"].prompt_token_ids) == prompt


async def prompts_are_not_penalized(adapter):
    model = ToyModel(VOCAB_SIZE, 0, VOCAB_SIZE - 1)
    prompts = [tuple(range(start, start + 100)) for start in range(400)]
    first, second = ({p: model.candidate(context_of(p), rank) for p in prompts} for rank in (0, 1))
    prompt = next(p for p in prompts if first[p] in p and second[p] not in p)
    assert await complete(adapter, request(prompt, max_tokens=1, presence_penalty=2.0)) == [first[prompt]]


async def blocks_are_nobody_elses(adapter):
    prompt = tuple(i % 90 for i in range(300))
    for salt in ("", "", "one", "other"):
        assert await complete(adapter, request(prompt, max_tokens=3, cache_salt=salt)) == greedy(prompt, 3)
    assert [call["cache_salt"] for call in adapter.llm.calls] == [None, None, "one", "other"]


async def statistics_come(adapter):
    parts = adapter.generate(request((1,), max_tokens=900))
    await soon(anext(parts))
    await until(lambda: adapter.usage is not None)
    assert 0 < adapter.usage <= 1
    await soon(parts.aclose())


CHECKS = {
    answers_come: ["from a thread", "cumulative"],
    steps_are_read_in_time: ["late reading"],
    leaving_aborts: ["no abort"],
    the_loop_goes_on: ["result with a timeout"],
    stop_strings_are_not_the_engines: ["stop strings"],
    parameters_are_a_requests_own: ["one SamplingParams"],
    sampled_is_not_greedy: ["defaults left out", "no seed"],
    max_tokens_counts: ["no max_tokens"],
    only_the_requests_stops_stop: ["no end_id"],
    the_stop_token_is_told: ["stop cut off"],
    long_prompts_are_prefilled_in_chunks: ["whole prefill"],
    a_failure_is_one_requests: ["errors as they come"],
    death_is_everyones: ["every error is one request's"],
    a_lost_gpu_is_everyones: ["every RequestError is one request's"],
    ids_go_in_as_they_are: ["text in"],
    prompts_are_not_penalized: ["penalized prompt"],
    blocks_are_nobody_elses: ["offloading", "no salt"],
    statistics_come: ["statistics unasked", "statistics from a thread", "statistics without a pause"],
}
CAUGHT = (AssertionError, BackendError, RuntimeError, asyncio.TimeoutError)


@pytest.fixture
def folder(tmp_path):
    """A checkpoint, and the package to load it with."""
    with fake.installed():
        yield fake.checkpoint_folder(tmp_path / "checkpoint", VOCAB_SIZE, CONTEXT_LENGTH)


@asynccontextmanager
async def opened(adapter):
    await adapter.open()
    try:
        yield adapter
    finally:
        await adapter.close()


def limits(check):
    return {"max_batch_tokens": 64} if check is long_prompts_are_prefilled_in_chunks else {}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_ours_over_the_pytorch_flow(check, folder):
    async with opened(Ours(folder, **limits(check))) as adapter:
        await check(adapter)


@pytest.mark.parametrize("check", [c for c in CHECKS if c is not statistics_come], ids=lambda check: check.__name__)
async def test_ours_over_a_compiled_engine(check, folder, tmp_path):
    engine = fake.engine_folder(tmp_path / "engine", VOCAB_SIZE, CONTEXT_LENGTH)
    async with opened(Ours(folder, str(engine), **limits(check))) as adapter:
        await check(adapter)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_sketch_without_a_flaw(check, folder):
    async with opened(Sketch(folder, **limits(check))) as adapter:
        await check(adapter)


@pytest.mark.parametrize(("check", "flaw"), [(check, flaw) for check, flaws in CHECKS.items() for flaw in flaws])
async def test_a_flawed_sketch_is_caught(check, flaw, folder):
    async with opened(Sketch(folder, flaw, **limits(check))) as adapter:
        with pytest.raises((*CAUGHT, pytest.fail.Exception)):
            await check(adapter)


def test_every_flaw_has_its_check():
    assert sorted(flaw for flaws in CHECKS.values() for flaw in flaws) == sorted(FLAWS)
