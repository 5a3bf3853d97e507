"""What the simulator adds to the contract: pace, plans, faults, classes. The contract itself: tests/contract."""

import asyncio
import time
from contextlib import aclosing

import pytest

from backends.errors import ComputeError, InvalidRequestError, LoadError, UnavailableError, UnsupportedError
from backends.simulator.backend import SimulatorBackend
from backends.simulator.config import Fault
from backends.types import Feature, FinishReason, GenerationRequest, Sampling

PATIENCE_S = 10


def request(max_tokens=8, prompt=(1, 2, 3), stop_token_ids=(), **sampling):
    return GenerationRequest(
        prompt=prompt,
        max_tokens=max_tokens,
        sampling=Sampling(**{"seed": 5, "temperature": 0.0, **sampling}),
        stop_token_ids=frozenset(stop_token_ids),
    )


@pytest.fixture
async def start():
    backends = []

    async def started(**settings):
        backend = SimulatorBackend(**settings)
        backends.append(backend)
        await backend.load()
        return backend

    yield started
    for backend in backends:
        await backend.close()


async def complete(backend, wanted):
    token_ids = []

    async def consume():
        async with aclosing(backend.generate(wanted)) as deltas:
            async for delta in deltas:
                token_ids.extend(delta.token_ids)
                finish = delta.finish
        return finish

    return token_ids, await asyncio.wait_for(consume(), PATIENCE_S)


async def test_paces_the_first_token_and_each_one_after_it(start):
    backend = await start(time_to_first_token_s=0.05, time_per_token_s=0.01)
    arrivals = []
    begin = time.monotonic()
    async with aclosing(backend.generate(request(6))) as deltas:
        async for delta in deltas:
            arrivals.extend([time.monotonic() - begin] * len(delta.token_ids))
    assert len(arrivals) == 6
    for index, arrival in enumerate(arrivals):
        assert arrival >= 0.05 + 0.01 * index - 1e-6


async def test_a_step_serves_all_that_run(start):
    backend = await start(time_per_token_s=0.02, max_concurrency=64)
    begin = time.monotonic()
    await asyncio.gather(*(complete(backend, request(5, prompt=(index,))) for index in range(64)))
    assert time.monotonic() - begin < 64 * 5 * 0.02 / 4


async def test_load_takes_its_time_and_says_so(caplog):
    caplog.set_level("INFO")
    backend = SimulatorBackend(load_time_s=0.02)
    begin = time.monotonic()
    loading = asyncio.create_task(backend.load())
    await asyncio.sleep(0)
    assert backend.health().reason == "loading"
    await loading
    assert time.monotonic() - begin >= 0.02
    assert "simulating a load" in caplog.text
    with pytest.raises(LoadError, match="once"):
        await backend.load()
    await backend.close()


async def test_closed_while_loading():
    backend = SimulatorBackend(load_time_s=0.02)
    loading = asyncio.create_task(backend.load())
    await asyncio.sleep(0)
    await backend.close()
    with pytest.raises(LoadError, match="closed"):
        await loading
    assert backend.health().reason == "closed"


async def test_script_and_echo(start):
    scripted = await start(script=[5, 6, 7], echo_from=0)
    assert (await complete(scripted, request(stop_token_ids=[99], temperature=1.0)))[0] == [5, 6, 7, 99]
    echoing = await start(echo_from=1)
    assert (await complete(echoing, request(stop_token_ids=[99])))[0] == [2, 3, 99]


async def test_lacking_features_are_refused(start):
    backend = await start(lacking=[Feature.TOP_K])
    with pytest.raises(UnsupportedError) as caught:
        await complete(backend, request(temperature=1.0, top_k=3))
    assert caught.value.feature == "top_k"


async def test_fail_at_load():
    backend = SimulatorBackend(fault=Fault.FAIL_AT_LOAD)
    with pytest.raises(LoadError):
        await backend.load()
    assert backend.health().reason == "load failed"
    await backend.close()


async def test_fail_at_token_fails_one_request_after_its_tokens(start):
    backend = await start(fault=Fault.FAIL_AT_TOKEN, fault_at_token=3)
    failing = backend.generate(request(8))
    for _ in range(3):
        assert len((await anext(failing)).token_ids) == 1
    with pytest.raises(ComputeError):
        await anext(failing)
    assert backend.health().ready
    assert backend.health().running == 0
    assert (await complete(backend, request(3)))[1].reason is FinishReason.MAX_TOKENS


async def test_hang_at_token_keeps_the_slot_until_closed(start):
    backend = await start(fault=Fault.HANG_AT_TOKEN, fault_at_token=2, max_concurrency=2)
    hanging = backend.generate(request(8))
    assert len((await anext(hanging)).token_ids) == 1
    assert len((await anext(hanging)).token_ids) == 1
    step = asyncio.create_task(anext(hanging))
    for index in range(20):  # others are served beside it
        await complete(backend, request(2, prompt=(index,)))
    assert not step.done()
    assert backend.health().running == 1
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert backend.health().running == 0


async def test_hanging_requests_cost_no_time(start):
    backend = await start(fault=Fault.HANG_AT_TOKEN, fault_at_token=0)
    step = asyncio.create_task(anext(backend.generate(request())))
    begin = time.process_time()
    await asyncio.sleep(0.2)
    assert time.process_time() - begin < 0.1
    await backend.close()
    with pytest.raises(UnavailableError):
        await step


async def test_die_at_token_takes_all_down(start):
    backend = await start(fault=Fault.DIE_AT_TOKEN, fault_at_token=4, max_concurrency=3)
    outcomes = await asyncio.gather(
        *(complete(backend, request(8, prompt=(index,))) for index in range(6)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 6
    health = backend.health()
    assert (health.ready, health.running, health.waiting) == (False, 0, 0)
    assert "told to die" in health.reason
    with pytest.raises(UnavailableError):
        await complete(backend, request())


async def test_a_bug_fails_one_request_only(start, monkeypatch, caplog):
    backend = await start()
    top = backend._model.top
    poisoned = backend.generate(request(8, prompt=(9, 9)))
    monkeypatch.setattr(backend._model, "top", lambda context: 1 // 0)
    with pytest.raises(ComputeError, match="ZeroDivisionError"):
        await anext(poisoned)
    monkeypatch.setattr(backend._model, "top", top)
    assert (await complete(backend, request(3)))[1].reason is FinishReason.MAX_TOKENS
    assert "computation failed" in caplog.text


async def test_classifier(start):
    backend = await start(num_labels=3)
    logits = await backend.classify([(1, 2), (3,)])
    assert [len(row) for row in logits] == [3, 3]
    with pytest.raises(UnsupportedError):
        await complete(backend, request())
    for windows in ([()], [(-1,)], [(1,) * 131_073]):
        with pytest.raises(InvalidRequestError) as caught:
            await backend.classify(windows)
        assert caught.value.field in ("windows", "prompt")
    await backend.close()
    with pytest.raises(UnavailableError):
        await backend.classify([(1,)])
