"""Guards of the input: the model begins at once, and nothing of it leaves before they have spoken."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest

from backends.errors import UnavailableError
from backends.types import TokenDelta, TokenLogprob
from services.errors import DeadlineTooShortError, GuardUnavailableError
from services.event import Delta, GuardSpoke, PromptScored
from services.generation import Continuation
from services.guard.config import GuardMode
from services.telemetry.record import CallRecord, GuardRecord
from tests.scripted_guard import SAFE, UNPARSEABLE, UNSAFE, said
from tests.service.backend import byte_id
from tests.unit.services.guard.rig import forbidden, modes


async def test_a_question_that_nobody_needs_any_more_is_no_lost_guard(rig, monkeypatch):
    records = []

    @contextmanager
    def recorded(*_):
        records.append(GuardRecord())
        yield records[-1]

    monkeypatch.setattr(CallRecord, "guard", lambda self, *_: recorded())
    guard = rig.attach("input")
    async with rig.running():
        await guard.next()
    assert [record.decision for record in records] == ["cancelled"]

    async with rig.running() as run:
        (await guard.next()).fail(UnavailableError("gone"))
        await run.done()
    assert isinstance(run.error, GuardUnavailableError)
    assert records[-1].decision == "unavailable"


async def test_the_model_runs_beside_the_guard_and_waits_for_it(rig):
    guard = rig.attach("input")
    async with rig.running() as run:
        question = await guard.next()
        run.model.say("one.two")
        run.model.end()
        await run.settle()
        assert run.model.running == 0, "the answer is computed already"
        assert run.events == []

        question.answer(SAFE, tokens=31)
        await run.done()

    assert said(question) == [("USER", "the_prompt")]
    assert isinstance(run.events[0], GuardSpoke)
    assert run.spoke_of_input() == [("g0", "SAFE")]
    assert run.text() == "one.two"
    assert run.reason() == "max_tokens"
    assert run.guard_tokens == 31


async def test_a_quick_guard_delays_nothing(rig):
    guard = rig.attach("input")
    async with rig.running() as run:
        (await guard.next()).answer(SAFE)
        await run.settle()
        run.model.say("a")
        await run.settle()
        assert run.text() == "a"


@pytest.mark.parametrize("decision", [UNSAFE, UNPARSEABLE])
async def test_a_refused_input_ends_every_output_and_frees_every_slot(rig, decision):
    guard = rig.attach("input")
    async with rig.running(n=3) as run:
        question = await guard.next()
        run.model.say("one", 0)
        run.model.say("two", 1)
        run.model.end(1)
        await run.settle()
        assert run.model.running == 2

        question.answer(decision, categories=["S1"])
        await run.done()

    assert [run.text(index) for index in range(3)] == ["", "", ""]
    assert [run.ids(index) for index in range(3)] == [[], [], []]
    assert [run.reason(index) for index in range(3)] == ["guard_blocked"] * 3
    assert len(run.spoke_of_input()) == 1
    assert list(run.events[0].said.verdict.categories) == ["S1"]
    assert run.completed.usage.completion_tokens == 6


async def test_the_prompts_logprobs_wait_too(rig):
    guard = rig.attach("input")
    async with rig.running() as run:
        question = await guard.next()
        run.model._queue(0).put_nowait(TokenDelta((byte_id("a"),), prompt_logprobs=(None, TokenLogprob(-1.0, 1))))
        await run.settle()
        assert run.events == []
        question.answer(UNSAFE)
        await run.done()

    assert not any(isinstance(event, PromptScored) for event in run.events)


@pytest.mark.parametrize("ticks", range(10))
async def test_they_are_dropped_whenever_the_guard_refuses(rig, ticks):
    guard = rig.attach("input")
    async with rig.running() as run:
        question = await guard.next()
        question.answer(UNSAFE)
        for _ in range(ticks):
            await asyncio.sleep(0)
        run.model._queue(0).put_nowait(TokenDelta((byte_id("a"),), prompt_logprobs=(None, TokenLogprob(-1.0, 1))))
        await run.done()

    assert not any(isinstance(event, (PromptScored, Delta)) for event in run.events)
    assert run.reason() == "guard_blocked"


async def test_a_guard_that_fails_after_another_refused_changes_nothing(rig):
    first, second = rig.attach("input"), rig.attach("input")
    async with rig.running() as run:
        refusing, failing = await first.next(), await second.next()
        refusing.answer(UNSAFE)
        failing.fail(UnavailableError("gone"))
        await run.done()

    assert run.error is None
    assert run.reason() == "guard_blocked"


async def test_all_enforced_guards_must_agree(rig):
    first, second = rig.attach("input"), rig.attach("input")
    async with rig.running() as run:
        run.model.say("one.")
        (await first.next()).answer(SAFE)
        await run.settle()
        assert run.spoke_of_input() == [("g0", "SAFE")]
        assert run.text() == ""
        (await second.next()).answer(UNSAFE)
        await run.done()

    assert run.text() == ""
    assert run.spoke_of_input() == [("g0", "SAFE"), ("g1", "UNSAFE")]


async def test_the_first_refusal_is_enough(rig):
    first, second = rig.attach("input"), rig.attach("input")
    async with rig.running() as run:
        await first.next()
        (await second.next()).answer(UNSAFE)
        await run.done()

    assert first.open == 0, "nobody waits for it any more"
    assert run.spoke_of_input() == [("g1", "UNSAFE")]
    assert run.reason() == "guard_blocked"


async def test_annotating_holds_nothing_back_and_still_reports(rig):
    guard = rig.attach("input", mode=GuardMode.annotate)
    async with rig.running() as run:
        run.model.say("one")
        run.model.end()
        await run.settle()
        assert run.text() == "one"
        assert run.reason() == "max_tokens"
        assert run.completed is None
        (await guard.next()).answer(UNSAFE)
        await run.done()

    assert run.spoke_of_input() == [("g0", "UNSAFE")]
    assert run.guard_tokens == 10


async def test_a_guard_that_is_off_is_not_asked(rig):
    guard = rig.attach("input")
    async with rig.running(guard_modes=modes("off")) as run:
        run.model.say("one")
        run.model.end()
        await run.done()

    assert guard.questions == []
    assert run.guard_tokens is None
    assert run.text() == "one"


async def test_a_missing_guard_is_an_error_and_nothing_leaves(rig):
    guard = rig.attach("input")
    async with rig.running() as run:
        run.model.say("one")
        run.model.end()
        (await guard.next()).fail(UnavailableError("gone"))
        await run.done()

    assert isinstance(run.error, GuardUnavailableError)
    assert run.events == []


@pytest.mark.parametrize("config", [{"fail_open": True}, {"mode": GuardMode.annotate}])
async def test_a_missing_guard_that_may_be_missing_is_reported(rig, config):
    guard = rig.attach("input", **config)
    async with rig.running() as run:
        run.model.say("one")
        run.model.end()
        (await guard.next()).fail(UnavailableError("gone"))
        await run.done()

    assert run.spoke_of_input() == [("g0", "-")]
    assert run.text() == "one"
    assert run.guard_tokens is None


async def test_only_a_guard_without_which_nothing_passes_is_required(rig):
    """By what holds for the request, which may tighten what is configured."""
    rig.attach("input")
    rig.attach("output", fail_open=True)
    rig.attach("output", mode=GuardMode.annotate)
    for last in ("annotate", "enforce", "off"):
        async with rig.running(guard_modes=modes("enforce", "enforce", last)):
            told = {"g0": True, "g1": False, "g2": last == "enforce"}
            assert rig.required == {name: told[name] for name in ("g0", "g1", "g2")[: 2 if last == "off" else 3]}


async def test_cancelling_ends_the_guards_call_too(rig):
    guard = rig.attach("input")
    async with rig.running() as run:
        await guard.next()
        run.model.say("one")
        await run.settle()
    assert guard.open == 0
    assert run.model.running == 0
    assert run.generation.closing.done()


async def test_no_time_for_the_guard_is_no_time_for_an_answer(rig):
    guard = rig.attach("input")
    async with rig.running(budget_s=0.05) as run:
        await guard.next()
        run.model.say("one")
        run.model.end()
        await run.done()

    assert isinstance(run.error, DeadlineTooShortError)
    assert not any(isinstance(event, Delta) for event in run.events)
    assert guard.open == 0


async def test_a_resumed_output_ends_in_time_without_more(rig):
    guard = rig.attach("input")
    continuations = {0: Continuation(tuple(map(byte_id, "ab")))}
    async with rig.running(budget_s=0.05, continuations=continuations) as run:
        await guard.next()
        run.model.say("one")
        run.model.end()
        await run.done()

    assert run.error is None
    assert run.reason() == "time_limit"
    assert run.text() == ""


async def test_no_time_for_an_annotating_guard_is_told(rig):
    rig.attach("input", mode=GuardMode.annotate)
    async with rig.running(budget_s=0.05) as run:
        run.model.say("one")
        run.model.end()
        await run.done()

    assert run.spoke_of_input() == [("g0", "-")]
    assert (run.text(), run.reason()) == ("one", "max_tokens")


@pytest.mark.parametrize("reads_chats", [True, False])
async def test_what_a_client_says_an_output_has_is_input_too(rig, reads_chats):
    guard = rig.attach("input", unsafe=forbidden("harm"), reads_chats=reads_chats)
    continuations = {0: Continuation(tuple(map(byte_id, "fine"))), 1: Continuation(tuple(map(byte_id, "harm")))}
    async with rig.running(n=3, continuations=continuations) as run:
        await run.done()

    assert guard.questions[0].texts == ["the_prompt", "fine", "harm"]
    assert [run.reason(index) for index in range(3)] == ["guard_blocked"] * 3


async def test_a_failure_of_the_model_is_told_and_its_text_is_not(rig):
    guard = rig.attach("input")
    async with rig.running() as run:
        await guard.next()
        run.model.say("one")
        run.model.fail(UnavailableError("gone"))
        await run.done()

    assert isinstance(run.error, UnavailableError)
    assert run.events == []
    assert guard.open == 0
