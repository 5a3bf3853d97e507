"""A sequence classifier scores windows. Backends that can't be one are skipped."""

from __future__ import annotations

import asyncio
import math

import pytest
import pytest_asyncio

from backends.errors import InvalidRequestError, UnavailableError, UnsupportedError
from tests.contract.rig import Rig, request, soon


@pytest_asyncio.fixture(loop_scope="session")
async def classifier(subject, folder):
    """A loaded classifier."""
    if subject.build_classifier is None:
        pytest.skip("this backend doesn't classify")
    backend = subject.build_classifier(folder)
    yield Rig(backend, await soon(backend.load()))
    await soon(backend.close())


async def test_capabilities_say_so(classifier):
    assert classifier.capabilities.classifies
    assert not classifier.capabilities.generates
    assert len(set(classifier.capabilities.labels)) == len(classifier.capabilities.labels) > 0


async def test_one_row_of_finite_logits_per_window(classifier):
    windows = [(1, 2, 3), (4,), tuple(range(90))]
    logits = await soon(classifier.backend.classify(windows))
    assert len(logits) == 3
    assert {len(row) for row in logits} == {len(classifier.capabilities.labels)}
    assert all(math.isfinite(value) for row in logits for value in row)
    assert await soon(classifier.backend.classify([])) == []


async def test_window_scores_the_same_alone_and_in_company(classifier):
    windows = [(seed, *range(seed)) for seed in range(1, 20)]
    together = await soon(classifier.backend.classify(windows))
    apart = await soon(asyncio.gather(*(classifier.backend.classify([window]) for window in windows)))
    for row, (lone,) in zip(together, apart, strict=True):
        assert row == pytest.approx(lone, abs=1e-3)
    assert len({tuple(row) for row in together}) == len(windows)


@pytest.mark.parametrize("window", [(), (-1,), (987_654_321,)])
async def test_impossible_windows_are_refused(classifier, window):
    with pytest.raises(InvalidRequestError):
        await soon(classifier.backend.classify([(1, 2), window]))


async def test_too_long_a_window_is_refused(classifier):
    with pytest.raises(InvalidRequestError):
        await soon(classifier.backend.classify([(1,) * (classifier.capabilities.context_length + 1)]))


async def test_it_does_not_generate(classifier):
    with pytest.raises(UnsupportedError):
        await soon(anext(classifier.backend.generate(request())))


async def test_closed_it_is_unavailable(classifier):
    await soon(classifier.backend.close())
    with pytest.raises(UnavailableError):
        await soon(classifier.backend.classify([(1,)]))


async def test_it_is_idle_after_a_call_was_cancelled(classifier):
    calls = [asyncio.create_task(classifier.backend.classify([(1, 2, 3)] * 200)) for _ in range(5)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await soon(asyncio.wait(calls))
    await classifier.until(lambda: classifier.counts() == (0, 0))
    assert len(await soon(classifier.backend.classify([(1,)]))) == 1


async def test_closing_ends_calls_in_progress(classifier):
    calls = [asyncio.create_task(classifier.backend.classify([(1, 2, 3)] * 200)) for _ in range(5)]
    await asyncio.sleep(0)
    await soon(classifier.backend.close())
    for outcome in await soon(asyncio.gather(*calls, return_exceptions=True)):
        assert isinstance(outcome, UnavailableError) or len(outcome) == 200
