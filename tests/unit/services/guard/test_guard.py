"""Asking a guard: the worst of what it says counts, and where it says nothing, nothing passes."""

from __future__ import annotations

import asyncio
import logging

import pytest

from backends.errors import ComputeError, ContextLengthError, UnavailableError
from paddock.v1 import classify_pb2, guard_pb2
from services.errors import (
    FeatureUnsupportedError,
    GuardUnavailableError,
    InvalidArgumentError,
    ModelUnavailableError,
    QueueFullError,
    Violation,
)
from services.guard.config import GuardConfig, GuardMode, GuardSubject
from services.guard.guard import Attachment, Guard
from tests.scripted_guard import SAFE, UNPARSEABLE, UNSAFE, ScriptedGuard

FAILURES = [
    UnavailableError("gone"),
    ComputeError("failed"),
    ModelUnavailableError("guard", "loading", 5.0),
    QueueFullError("guard", 0.5),
    FeatureUnsupportedError("classify", "guard"),
    RuntimeError("a mistake of ours"),
    asyncio.TimeoutError(),
]
ON_THE_TEXT = [
    InvalidArgumentError([Violation("inputs[0].chat", "is too long")]),
    ContextLengthError(9, 8),
]


def attached(classify, mode=GuardMode.enforce, **config):
    """Attach a guard."""
    settings = GuardConfig(model="guard", subject=GuardSubject.input, mode=mode, **config)
    return Attachment(Guard("guard", reads_chats=False, classify=classify), "model", settings, mode)


def texts(*given):
    return [classify_pb2.ClassifyInput(text=text) for text in given]


def answering(*results, tokens=0):
    async def classify(request):
        return classify_pb2.ClassifyResponse(results=results, usage={"total_tokens": tokens})

    return classify


def failing(error):
    async def classify(request):
        raise error

    return classify


def verdict(decision, **fields):
    return classify_pb2.Classification(verdict=guard_pb2.GuardVerdict(decision=decision, **fields))


async def test_the_worst_verdict_counts_whatever_its_place():
    judged = await attached(
        answering(
            verdict(SAFE, unsafe_probability=0.25),
            verdict(UNSAFE, unsafe_probability=0.75, categories=["S2", "S1"], judged_role=2),
            verdict(UNPARSEABLE),
            verdict(UNSAFE, unsafe_probability=0.5, categories=["S1", "S9"]),
            tokens=77,
        )
    ).ask(texts(*"abcd"), 50)

    assert not judged.safe
    assert judged.tokens == 77
    assert judged.verdict.decision == UNSAFE
    assert judged.verdict.unsafe_probability == 0.75
    assert sorted(judged.verdict.categories) == ["S1", "S2", "S9"]


async def test_all_safe_is_safe():
    judged = await attached(answering(verdict(SAFE), verdict(SAFE))).ask(texts("a", "b"), 50)

    assert judged.safe
    assert not judged.verdict.HasField("unsafe_probability")


@pytest.mark.parametrize(
    "results",
    [
        [],
        [verdict(SAFE)],
        [verdict(SAFE), verdict(0)],
        [verdict(SAFE), verdict(17)],
        [classify_pb2.Classification(labels=[{"label": "benign", "score": 1}]), verdict(SAFE)],
    ],
    ids=["none", "too few", "no decision", "an unknown one", "a classifier that is no guard"],
)
async def test_an_answer_that_is_none_is_not_safe(results):
    judged = await attached(answering(*results)).ask(texts("a", "b"), 50)

    assert judged.verdict.decision == UNPARSEABLE
    assert not judged.safe


@pytest.mark.parametrize("error", ON_THE_TEXT, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("config", [{}, {"fail_open": True}, {"mode": GuardMode.annotate}])
async def test_what_a_guard_can_not_judge_is_not_safe(error, config):
    judged = await attached(failing(error), **config).ask(texts("a"), 50)

    assert judged.verdict.decision == UNPARSEABLE


@pytest.mark.parametrize("error", FAILURES, ids=lambda e: type(e).__name__)
async def test_an_enforced_guard_fails_closed(error, caplog):
    with pytest.raises(GuardUnavailableError) as caught:
        await attached(failing(error)).ask(texts("a secret text"), 50)

    assert (caught.value.guard, caught.value.model) == ("guard", "model")
    assert caught.value.retry_after_s == getattr(error, "retry_after_s", 1.0)
    assert "secret" not in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("error", FAILURES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("config", [{"fail_open": True}, {"mode": GuardMode.annotate}])
async def test_other_guards_need_not_answer(error, config):
    assert await attached(failing(error), **config).ask(texts("a"), 50) is None


async def test_a_guard_that_takes_too_long_is_not_waited_for():
    guard = ScriptedGuard()

    with pytest.raises(GuardUnavailableError):
        await attached(guard.classify, timeout_s=0.01).ask(texts("a"), 50)

    assert guard.open == 0


async def test_a_long_text_takes_several_calls_until_one_finds_something():
    guard = ScriptedGuard(unsafe=lambda text: text == "t20")

    judged = await attached(guard.classify).ask(texts(*(f"t{number}" for number in range(50))), 50)

    assert judged.verdict.decision == UNSAFE
    assert [len(question.texts) for question in guard.questions] == [16, 16]
    assert judged.tokens == 20
    assert all(question.request.model == "guard" for question in guard.questions)


async def test_what_can_not_be_judged_is_not_asked_further():
    guard = ScriptedGuard()
    asking = asyncio.create_task(attached(guard.classify).ask(texts(*"abcdefghijklmnopqrstuvwxyz"), 50))
    (await guard.next()).fail(ContextLengthError(9, 8))

    assert (await asking).verdict.decision == UNPARSEABLE
    assert len(guard.questions) == 1


async def test_cancelling_ends_the_call():
    guard = ScriptedGuard()
    asking = asyncio.create_task(attached(guard.classify).ask(texts("a"), 50))
    await guard.next()

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert guard.open == 0


async def test_inputs_are_made_when_they_are_asked_about():
    made = []

    def inputs():
        for given in texts(*map(str, range(100))):
            made.append(given)
            yield given

    guard = ScriptedGuard(unsafe=lambda text: text == "3")
    assert not (await attached(guard.classify).ask(inputs(), 10**6)).safe
    assert len(made) == len(guard.questions[0].texts) == 16


async def test_a_call_is_not_much_larger_than_one_input():
    guard = ScriptedGuard(unsafe=lambda text: False)
    judged = await attached(guard.classify).ask(texts(*(["x" * 900_000] * 5)), 4_500_000)
    assert judged.safe
    assert [len(question.texts) for question in guard.questions] == [2, 2, 1]
