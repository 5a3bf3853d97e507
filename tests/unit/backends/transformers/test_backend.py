"""The backend on the event loop: its life cycle, cancellation under load, and failures."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from contextlib import aclosing

import pytest

from backends.errors import ComputeError, ContextLengthError, InvalidRequestError, LoadError, UnavailableError
from backends.transformers.backend import _CLOSE_S, TransformersBackend
from backends.transformers.cache import KVCache
from backends.transformers.engine import Engine
from backends.transformers.mailbox import Mailbox, merge
from backends.types import Finish, FinishReason, TokenDelta, TokenLogprob, Usage
from services.config import ServerConfig
from tests.unit.backends.transformers.driver import CONTEXT_LENGTH, prompt, request

PATIENCE_S = 60


def build(checkpoint, **settings):
    defaults = {"device": "cpu", "cache_gib": 0.25, "num_threads": 1, "prefill_chunk": 16, "max_batch_tokens": 64}
    return TransformersBackend(checkpoint=checkpoint, **{**defaults, **settings})


@pytest.fixture
async def backend(checkpoint):
    backend = build(checkpoint, max_concurrency=16)
    await backend.load()
    yield backend
    await asyncio.wait_for(backend.close(), PATIENCE_S)


async def collect(backend, wanted, limit=None):
    """Take an answer in whole, or leave once `limit` ids have come."""
    ids, finish = [], None
    async with aclosing(backend.generate(wanted)) as deltas:
        async for delta in deltas:
            ids += delta.token_ids
            finish = delta.finish
            if limit is not None and len(ids) >= limit:
                break
    return ids, finish


def counts(backend):
    health = backend.health()
    return health.running, health.waiting


async def until(condition):
    async def poll():
        while not condition():  # noqa: ASYNC110 - a poll is all that there is
            await asyncio.sleep(0.001)

    await asyncio.wait_for(poll(), PATIENCE_S)


async def test_64_streams_a_third_of_them_cancelled(backend):
    sampled = {"temperature": 1.0, "top_p": 0.95}
    wanted = [
        request(prompt(3 + 7 * i % 120, i), 10 + 5 * i % 40, seed=i, **(sampled if i % 2 else {})) for i in range(64)
    ]
    alone = [await collect(backend, each) for each in wanted]
    leaving = {i: i % 8 for i in range(0, 64, 3)}  # after so many ids; 0 while it waits, or is prefilled

    async def run(i):
        if i not in leaving:
            return await collect(backend, wanted[i])
        if leaving[i]:
            return await collect(backend, wanted[i], leaving[i])
        step = asyncio.create_task(anext(backend.generate(wanted[i])))
        await asyncio.sleep(0)
        step.cancel()
        await asyncio.wait([step])
        return [], None

    results = await asyncio.gather(*(run(i) for i in range(64)))
    for i, (ids, finish) in enumerate(results):
        if i in leaving:
            assert ids == alone[i][0][: len(ids)]
        else:
            assert (ids, finish.reason) == (alone[i][0], alone[i][1].reason)
    await until(lambda: counts(backend) == (0, 0))
    assert backend._mailboxes == {}


async def test_refusals_come_with_the_first_step(backend):
    for wanted, error in [
        (request(()), InvalidRequestError),
        (request(prompt(CONTEXT_LENGTH)), ContextLengthError),
        (request(max_tokens=0), InvalidRequestError),
    ]:
        deltas = backend.generate(wanted)
        with pytest.raises(error):
            await anext(deltas)
    with pytest.raises(ContextLengthError) as caught:
        await anext(backend.generate(request(prompt(CONTEXT_LENGTH), continuation=(1,), max_tokens=9)))
    assert (caught.value.prompt_tokens, caught.value.limit) == (CONTEXT_LENGTH + 1, CONTEXT_LENGTH - 1)
    assert len((await collect(backend, request(prompt(CONTEXT_LENGTH - 1))))[0]) == 1


async def test_slow_reader_gets_what_waits_in_one_delta(backend):
    async with aclosing(backend.generate(request(max_tokens=30))) as deltas:
        first = await anext(deltas)
        await until(lambda: counts(backend) == (0, 0))
        await asyncio.sleep(0.01)  # the last hand-over
        rest = await anext(deltas)
    assert len(first.token_ids) + len(rest.token_ids) == 30
    assert rest.finish.reason is FinishReason.MAX_TOKENS


async def test_failed_step_ends_its_requests_and_serving_goes_on(backend, monkeypatch, caplog):
    good = await collect(backend, request())
    forward = Engine._forward

    def fail(self, batch):
        return forward(self, batch) if batch.tokens == [0] else 1 / 0  # the probe is computed

    monkeypatch.setattr(Engine, "_forward", fail)
    for _ in range(3):
        for result in await asyncio.gather(*(collect(backend, request()) for _ in range(3)), return_exceptions=True):
            assert isinstance(result, ComputeError)
            assert "ZeroDivisionError" in str(result)
    monkeypatch.setattr(Engine, "_forward", forward)
    await until(lambda: counts(backend) == (0, 0))
    assert backend.health().ready
    assert await collect(backend, request()) == good


async def test_an_engine_that_computes_nothing_any_more_is_given_up(checkpoint, monkeypatch, caplog):
    backend = build(checkpoint)
    await backend.load()
    monkeypatch.setattr(Engine, "_forward", lambda self, batch: 1 / 0)
    results = await asyncio.gather(*(collect(backend, request()) for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {UnavailableError}
    assert "EngineLostError" in backend.health().reason
    with pytest.raises(UnavailableError):
        await collect(backend, request())
    await backend.close()


async def test_what_fails_beside_what_succeeds_is_no_loss(backend, monkeypatch):
    running = asyncio.create_task(collect(backend, request(max_tokens=300)))
    await until(lambda: counts(backend) == (1, 0))
    opened = KVCache.open
    full = MemoryError("no room")

    def refuse(self, ticket, tokens):
        raise full

    monkeypatch.setattr(KVCache, "open", refuse)  # the probe has no room either
    with pytest.raises(ComputeError):
        await collect(backend, request())
    monkeypatch.setattr(KVCache, "open", opened)
    assert len((await running)[0]) == 300
    assert backend.health().ready


async def test_dead_thread_is_told_to_all(backend, monkeypatch, caplog):
    class Death(BaseException):
        pass

    def die(self):
        raise Death

    running = [asyncio.create_task(collect(backend, request(max_tokens=300))) for _ in range(20)]
    await until(lambda: counts(backend) == (16, 4))
    monkeypatch.setattr(Engine, "step", die)
    for result in await asyncio.gather(*running, return_exceptions=True):
        assert isinstance(result, UnavailableError)
    health = backend.health()
    assert (health.ready, health.running, health.waiting) == (False, 0, 0)
    assert "Death" in health.reason
    with pytest.raises(UnavailableError, match="Death"):
        await collect(backend, request())


async def test_closing_ends_what_runs(checkpoint):
    backend = build(checkpoint, max_concurrency=2)
    await backend.load()
    running = [asyncio.create_task(collect(backend, request(max_tokens=300))) for _ in range(4)]
    await until(lambda: counts(backend) == (2, 2))
    await backend.close()
    await backend.close()
    for result in await asyncio.gather(*running, return_exceptions=True):
        assert isinstance(result, UnavailableError)
    assert backend.health().reason == "closed"
    with pytest.raises(UnavailableError, match="closed"):
        await collect(backend, request())


async def test_life_without_load(checkpoint):
    backend = build(checkpoint)
    assert (backend.health().ready, backend.health().reason) == (False, "not loaded")
    with pytest.raises(UnavailableError, match="not loaded"):
        await collect(backend, request())
    await backend.close()
    assert not backend.health().ready


async def test_failed_load(tmp_path, caplog):
    backend = build(str(tmp_path))
    with pytest.raises(LoadError, match=r"config\.json"):
        await backend.load()
    assert not backend.health().ready
    await backend.close()
    assert "Traceback" not in caplog.text


async def test_load_that_breaks_unexpectedly(checkpoint, monkeypatch, caplog):
    monkeypatch.setattr("backends.transformers.assembly.load_model", lambda *_, **__: 1 / 0)
    backend = build(checkpoint)
    with pytest.raises(LoadError, match="ZeroDivisionError"):
        await backend.load()
    await backend.close()


@pytest.mark.parametrize("missing", ["torch", "transformers"])
async def test_load_without_the_extra(checkpoint, monkeypatch, caplog, missing):
    for name in [name for name in sys.modules if name.startswith("backends.transformers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    backend = build(checkpoint)
    with pytest.raises(LoadError, match=r"not installed: pip install 'paddock\[transformers\]'$"):
        await backend.load()
    await backend.close()
    assert not caplog.records


async def test_load_with_a_broken_extra_tells_its_cause(checkpoint, monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "backends.transformers.assembly")
    monkeypatch.setitem(sys.modules, "backends.transformers.loading", None)
    backend = build(checkpoint)
    with pytest.raises(LoadError, match="ModuleNotFoundError"):
        await backend.load()
    await backend.close()
    assert "Traceback" in caplog.text


async def test_closing_does_not_wait_for_a_step_that_hangs(checkpoint, monkeypatch, caplog):
    assert ServerConfig().close_s > _CLOSE_S
    monkeypatch.setattr("backends.transformers.backend._CLOSE_S", 0.1)
    backend = build(checkpoint)
    await backend.load()
    hanging, release, step = threading.Event(), threading.Event(), Engine.step

    def hang(engine):
        hanging.set()
        release.wait()
        return step(engine)

    monkeypatch.setattr(Engine, "step", hang)
    running = asyncio.create_task(collect(backend, request()))
    await until(hanging.is_set)
    worker, started = backend._worker, time.monotonic()
    await backend.close()
    assert time.monotonic() - started < 5
    assert "did not end within 0.1 s" in caplog.text
    release.set()
    with pytest.raises(UnavailableError):
        await running
    assert await asyncio.to_thread(worker.join, PATIENCE_S)


async def test_closing_while_loading(checkpoint):
    backend = build(checkpoint)
    loading = asyncio.create_task(backend.load())
    await asyncio.sleep(0)
    await backend.close()
    with pytest.raises(LoadError):
        await loading
    assert (backend.health().ready, backend.health().reason) == (False, "closed")


async def test_generator_left_to_the_garbage_collector(backend):
    deltas = backend.generate(request(max_tokens=300))
    await anext(deltas)
    del deltas
    gc.collect()
    await until(lambda: counts(backend) == (0, 0))


async def test_mailbox_gives_deltas_before_the_error():
    mailbox = Mailbox()
    mailbox.put(TokenDelta((1,)))
    mailbox.put(TokenDelta((2,)))
    mailbox.close(ComputeError("late"))
    mailbox.close(UnavailableError("later still"))
    assert (await mailbox.take()).token_ids == (1, 2)
    with pytest.raises(ComputeError):
        await mailbox.take()
    assert mailbox.released


def test_merging_deltas():
    entry = TokenLogprob(-1.0, 2)
    finish = Finish(FinishReason.STOP, Usage(1, 3))
    parts = [
        TokenDelta((1,), (entry,), (None, entry)),
        TokenDelta((2,), (entry,)),
        TokenDelta((3,), (entry,), finish=finish),
    ]
    assert merge(parts) == TokenDelta((1, 2, 3), (entry,) * 3, (None, entry), finish)
