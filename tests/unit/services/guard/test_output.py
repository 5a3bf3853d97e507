"""Guards of the output: what has left was judged, whatever the model does and however slow they are."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import UnavailableError
from llama.tokenizer import Tokenizer
from services.call import CallPiece
from services.errors import DeadlineTooShortError, GuardUnavailableError
from services.event import CallDelta, Delta, Finished, GuardSpoke
from services.generation import Continuation
from services.guard.config import GuardMode
from services.guard.output import _said
from services.text import Piece
from tests.scripted_guard import SAFE, UNPARSEABLE, UNSAFE, said
from tests.service.backend import byte_id
from tests.unit.services.guard.rig import Rig, forbidden

CALL = '{"name":"weather","parameters":{"city":"Bern"}}'


async def test_a_sentence_leaves_once_it_is_judged(rig):
    guard = rig.attach("output")
    async with rig.running() as run:
        run.model.say("one.")
        question = await guard.next()
        await run.settle()
        assert run.events == []

        question.answer(SAFE)
        await run.settle()
        assert run.text() == "one."
        assert run.ids() == list(map(byte_id, "one."))
        assert run.spoke() == [("SAFE", 4)]
        assert isinstance(run.events[0], GuardSpoke), "no text is ahead of what the guard says"

        run.model.say("two")
        await run.settle()
        assert len(guard.questions) == 1, "no sentence has ended"
        run.model.end()
        last = await guard.next()
        last.answer(SAFE, tokens=5)
        await run.done()

    assert said(question) == [("USER", "the_prompt"), ("ASSISTANT", "one.")]
    assert said(last) == [("USER", "the_prompt"), ("ASSISTANT", "one.two")]
    assert run.text() == "one.two"
    assert run.spoke() == [("SAFE", 4), ("SAFE", 7)]
    assert run.reason() == "max_tokens"
    assert run.guard_tokens == 15


async def test_text_gathers_while_the_guard_judges(rig):
    guard = rig.attach("output")
    async with rig.running() as run:
        run.model.say("a.")
        question = await guard.next()
        for part in ("b.", "c.", "d"):
            run.model.say(part)
            await run.settle()
        assert len(guard.questions) == 1, "one at a time"
        question.answer(SAFE)
        again = await guard.next()
        await run.settle()
        assert run.text() == "a."
        assert again.text == "a.b.c.d"
        again.answer(SAFE)
        await run.settle()
        assert run.text() == "a.b.c.d"


async def test_long_text_without_a_sentence_is_judged_step_by_step(rig):
    guard = rig.attach("output", step_chars=10)
    async with rig.running() as run:
        run.model.say("x" * 9)
        await run.settle()
        assert not guard.questions
        run.model.say("x")
        assert (await guard.next()).text == "x" * 10


@pytest.mark.parametrize("decision", [UNSAFE, UNPARSEABLE])
async def test_a_refused_output_ends_where_it_was(rig, decision):
    guard = rig.attach("output")
    async with rig.running() as run:
        run.model.say("one.")
        (await guard.next()).answer(SAFE)
        await run.settle()
        run.model.say("bad.")
        question = await guard.next()
        run.model.say("more.")
        await run.settle()
        question.answer(decision, categories=["S9"])
        await run.done()

    assert run.text() == "one."
    assert run.ids() == list(map(byte_id, "one."))
    assert [released for _, released in run.spoke()] == [4, 4]
    assert run.reason() == "guard_blocked"
    assert len(guard.questions) == 2
    assert [type(event) for event in run.events[-3:-1]] == [GuardSpoke, Finished]
    assert run.completed.usage.completion_tokens == 13


async def test_what_comes_last_is_judged_before_the_end(rig):
    guard = rig.attach("output", unsafe=forbidden("bad"))
    async with rig.running() as run:
        run.model.say("fine.")
        await run.settle()
        run.model.say("bad")
        run.model.end()
        await run.done()

    assert run.text() == "fine."
    assert run.reason() == "guard_blocked"
    assert guard.open == 0


@pytest.mark.parametrize("burst", ["aaa.bad.ccc.", "bad", ".bad", "bad."])
async def test_nothing_of_a_burst_leaves_that_holds_something(rig, burst):
    rig.attach("output", unsafe=forbidden("bad"))
    async with rig.running() as run:
        run.model.say(burst)
        run.model.end()
        await run.done()

    assert run.text() == ""
    assert run.ids() == []
    assert run.reason() == "guard_blocked"


async def test_what_two_judgments_share_is_seen_whole(rig):
    guard = rig.attach("output", unsafe=forbidden("b.ad"), window_chars=12, overlap_chars=6, step_chars=4)
    async with rig.running() as run:
        for part in ("x" * 30 + ".", "xx.b.", "ad."):
            run.model.say(part)
            await run.settle()
        run.model.end()
        await run.done()

    assert run.text() == "x" * 30 + ".xx.b."
    assert run.reason() == "guard_blocked"
    assert all(len(text) <= 12 for question in guard.questions for text in question.texts)


async def test_a_long_burst_is_judged_in_all_its_windows(rig):
    guard = rig.attach("output", unsafe=forbidden("bad"), window_chars=20, overlap_chars=5)
    async with rig.running() as run:
        run.model.say("x" * 33 + "bad" + "x" * 40 + ".")
        run.model.end()
        await run.done()

    assert run.text() == ""
    assert len(guard.questions[0].texts) > 3
    assert all(("USER", "the_prompt") in said(guard.questions[0], i) for i in range(len(guard.questions[0].texts)))


async def test_a_call_is_output_too(rig):
    guard = rig.attach("output", unsafe=forbidden("Bern"))
    async with rig.running(tools=frozenset({"weather"})) as run:
        run.model.say(CALL)
        run.model.stop()
        await run.done()

    assert not any(isinstance(event, CallDelta) for event in run.events)
    assert run.ids() == []
    assert run.reason() == "guard_blocked"
    assert "weather" in guard.questions[0].text


async def test_a_call_is_judged_as_who_reads_its_json_has_it(rig):
    rig.attach("output", unsafe=forbidden("Bern"))
    async with rig.running(tools=frozenset({"weather"})) as run:
        run.model.say(CALL.replace("Bern", r"\u0042er\u006e"))
        run.model.stop()
        await run.done()

    assert not any(isinstance(event, CallDelta) for event in run.events)
    assert run.reason() == "guard_blocked"


async def test_a_safe_call_leaves_once_it_is_judged(rig):
    guard = rig.attach("output")
    async with rig.running(tools=frozenset({"weather"})) as run:
        run.model.say(CALL)
        run.model.stop()
        question = await guard.next()
        await run.settle()
        assert run.events == []
        question.answer(SAFE)
        await run.done()

    assert any(isinstance(event, CallDelta) for event in run.events)
    assert run.spoke()[-1] == ("SAFE", 0), "a call is no text"


async def test_one_refused_output_leaves_the_others_alone(rig):
    rig.attach("output", unsafe=forbidden("bad"))
    async with rig.running(n=3) as run:
        run.model.say("fine.", 0)
        run.model.say("bad.", 1)
        run.model.say("good.", 2)
        await run.settle()
        assert run.model.running == 2, "its slot is free"
        for index in (0, 2):
            run.model.say("on.", index)
            run.model.end(index)
        await run.done()

    assert [run.text(index) for index in range(3)] == ["fine.on.", "", "good.on."]
    assert [run.reason(index) for index in range(3)] == ["max_tokens", "guard_blocked", "max_tokens"]


async def test_no_guard_goes_on_about_a_refused_output(rig):
    first, second = rig.attach("output"), rig.attach("output")
    async with rig.running(n=2) as run:
        run.model.say("bad.", 0)
        refusing, failing = await first.next(), await second.next()
        refusing.answer(UNSAFE)
        await run.settle()
        assert (run.reason(0), run.reason(1)) == ("guard_blocked", None)
        assert (first.open, second.open) == (0, 0)
        assert failing.reply.cancelled()


async def test_a_guard_that_fails_after_another_refused_an_output_changes_nothing(rig):
    first, second = rig.attach("output"), rig.attach("output")
    async with rig.running(n=2) as run:
        run.model.say("bad.", 0)
        refusing, failing = await first.next(), await second.next()
        refusing.answer(UNSAFE)
        failing.fail(UnavailableError("gone"))
        run.model.end(1)
        await run.done()

    assert run.error is None
    assert (run.reason(0), run.reason(1)) == ("guard_blocked", "max_tokens")


async def test_outputs_do_not_wait_for_each_others_guards(rig):
    guard = rig.attach("output")
    async with rig.running(n=2) as run:
        run.model.say("one.", 0)
        first = await guard.next()
        run.model.say("two.", 1)
        second = await guard.next()
        second.answer(SAFE)
        await run.settle()
        assert (run.text(0), run.text(1)) == ("", "two.")
        first.answer(SAFE)
        await run.settle()
        assert run.text(0) == "one."


async def test_annotating_holds_nothing_back_and_reports_before_the_end(rig):
    guard = rig.attach("output", mode=GuardMode.annotate)
    async with rig.running() as run:
        run.model.say("bad.")
        question = await guard.next()
        await run.settle()
        assert run.text() == "bad."
        run.model.say("worse")
        run.model.end()
        await run.settle()
        assert run.text() == "bad.worse"
        assert run.reason() is None
        question.answer(UNSAFE)
        (await guard.next()).answer(UNSAFE)
        await run.done()

    assert run.spoke() == [("UNSAFE", 4), ("UNSAFE", 9)]
    assert run.reason() == "max_tokens"


async def test_the_slowest_enforced_guard_sets_the_pace(rig):
    slow, quick = rig.attach("output"), rig.attach("output", unsafe=lambda text: False)
    async with rig.running() as run:
        run.model.say("one.")
        question = await slow.next()
        await run.settle()
        assert run.text() == ""
        assert run.spoke() == [("SAFE", 0)]
        question.answer(SAFE)
        await run.settle()
        assert run.text() == "one."
        assert run.spoke() == [("SAFE", 0), ("SAFE", 4)]
    assert quick.open == 0


async def test_output_that_is_judged_waits_for_the_input(rig):
    of_input, of_output = rig.attach("input"), rig.attach("output")
    async with rig.running() as run:
        run.model.say("one.")
        (await of_output.next()).answer(SAFE)
        await run.settle()
        assert run.events == []
        (await of_input.next()).answer(SAFE)
        await run.settle()
        assert run.text() == "one."
        assert run.events[0].said.guard_model == "g0"


async def test_a_refused_input_drops_what_was_judged(rig):
    of_input, of_output = rig.attach("input"), rig.attach("output")
    async with rig.running() as run:
        run.model.say("one.")
        run.model.end()
        (await of_output.next()).answer(SAFE)
        await run.settle()
        (await of_input.next()).answer(UNSAFE)
        await run.done()

    assert run.text() == ""
    assert run.spoke() == []
    assert run.reason() == "guard_blocked"


@pytest.mark.parametrize("after", [0, 1])
async def test_a_missing_guard_ends_the_call_where_it_was(rig, after):
    guard = rig.attach("output")
    async with rig.running() as run:
        for _ in range(after):
            run.model.say("one.")
            (await guard.next()).answer(SAFE)
            await run.settle()
        run.model.say("two.")
        (await guard.next()).fail(UnavailableError("gone"))
        await run.done()

    assert isinstance(run.error, GuardUnavailableError)
    assert run.text() == "one." * after


async def test_a_guards_call_that_something_else_cancels_leaves_nobody_waiting(rig):
    guard = rig.attach("output")
    async with rig.running() as run:
        run.model.say("one.")
        (await guard.next()).reply.cancel()
        await run.done()

    assert isinstance(run.error, RuntimeError)
    assert run.events == []


async def test_a_guard_that_fails_open_lets_pass_what_it_could_not_judge(rig):
    guard = rig.attach("output", fail_open=True)
    async with rig.running() as run:
        run.model.say("one.")
        (await guard.next()).fail(UnavailableError("gone"))
        await run.settle()
        assert run.text() == "one."
        assert run.spoke() == [("-", 4)]
        run.model.say("bad.")
        (await guard.next()).answer(UNSAFE)
        await run.done()

    assert run.text() == "one."
    assert run.reason() == "guard_blocked"


async def test_cancelling_during_a_judgment_frees_everything(rig):
    guard = rig.attach("output")
    async with rig.running(n=2) as run:
        run.model.say("one.", 0)
        run.model.say("two.", 1)
        await guard.next()
        await guard.next()
    assert guard.open == 0
    assert run.model.running == 0
    assert run.generation.closing.done()


@pytest.mark.parametrize("complete", [True, False])
async def test_what_is_not_judged_in_time_is_dropped(rig, complete):
    guard = rig.attach("output")
    async with rig.running(budget_s=0.2) as run:
        run.model.say("one.")
        (await guard.next()).answer(SAFE)
        await run.settle()
        run.model.say("two.")
        await guard.next()
        if complete:
            run.model.end()
        await run.done()

    assert run.error is None
    assert run.text() == "one."
    assert run.reason() == "time_limit"
    assert guard.open == 0
    assert run.completed is not None


async def test_no_judgment_in_time_is_no_answer(rig):
    guard = rig.attach("output")
    async with rig.running(budget_s=0.05) as run:
        run.model.say("one.")
        await guard.next()
        await run.done()

    assert isinstance(run.error, DeadlineTooShortError)


async def test_an_annotating_guard_that_is_late_is_told(rig):
    rig.attach("output", mode=GuardMode.annotate)
    async with rig.running(budget_s=0.05) as run:
        run.model.say("one.")
        run.model.end()
        await run.done()

    assert (run.text(), run.reason()) == ("one.", "max_tokens")
    assert run.spoke() == [("-", 4)]


async def test_a_resumed_output_is_judged_with_what_the_client_has(rig):
    guard = rig.attach("output")
    continuations = {0: Continuation(tuple(map(byte_id, "what_was.")))}
    async with rig.running(continuations=continuations) as run:
        await run.settle()
        run.model.say("more.")
        question = await guard.next()
        question.answer(SAFE)
        await run.settle()

    assert said(question)[-1] == ("ASSISTANT", "what_was.more.")
    assert run.text() == "more."
    assert run.spoke() == [("SAFE", 14)]


async def test_a_resumed_output_with_nothing_new_is_not_judged(rig):
    guard = rig.attach("output")
    async with rig.running(continuations={0: Continuation(tuple(map(byte_id, "what_was.")))}) as run:
        run.model.end()
        await run.done()

    assert not guard.questions
    assert run.reason() == "max_tokens"


async def test_an_output_that_had_ended_is_not_judged(rig):
    guard = rig.attach("output")
    async with rig.running(continuations={0: Continuation((1, 2), 2)}) as run:
        await run.done()

    assert not guard.questions
    assert run.completed is not None


async def test_an_empty_answer_needs_no_guard(rig):
    guard = rig.attach("output")
    async with rig.running() as run:
        run.model.end()
        await run.done()

    assert not guard.questions
    assert run.reason() == "max_tokens"


async def test_a_failure_of_the_model_drops_what_is_not_judged(rig):
    guard = rig.attach("output")
    async with rig.running() as run:
        run.model.say("one.")
        (await guard.next()).answer(SAFE)
        run.model.say("two.")
        await guard.next()
        run.model.fail(UnavailableError("gone"))
        await run.done()

    assert isinstance(run.error, UnavailableError)
    assert run.text() == "one."
    assert guard.open == 0


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 2), st.text("ab.X", min_size=1, max_size=12)),
        st.tuples(st.just("end"), st.integers(0, 2), st.none()),
        st.tuples(st.just("answer"), st.integers(0, 5), st.none()),
        st.tuples(st.just("settle"), st.none(), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(
    actions=ACTIONS,
    step=st.integers(1, 30),
    window=st.integers(4, 40),
    guards=st.integers(1, 2),
    of_input=st.booleans(),
)
def test_what_has_left_is_always_a_prefix_that_was_judged_safe(checkpoint, actions, step, window, guards, of_input):
    """Outputs speak and guards answer in any order; `X` is unsafe."""
    tokenizer = Tokenizer((checkpoint / "tokenizer.json").read_text())

    async def play():
        rig = Rig(tokenizer)
        scripted = [rig.attach("output", step_chars=step, window_chars=window, overlap_chars=3) for _ in range(guards)]
        if of_input:
            scripted.append(rig.attach("input"))
        async with rig.running(n=3) as run:
            spoken, ended = ["", "", ""], set()
            judged = {guard: set() for guard in scripted}
            waiting = []

            def reply(question, guard):
                question.answer(*(UNSAFE if "X" in text else SAFE for text in question.texts))
                judged[guard].update(text for text in question.texts if "X" not in text)

            def collect():
                for guard in scripted:
                    while not guard._asked.empty():
                        waiting.append((guard._asked.get_nowait(), guard))

            def check():
                for index in range(3):
                    text = run.text(index)
                    assert spoken[index].startswith(text)
                    assert "X" not in text
                    assert len(run.ids(index)) == len(text)
                    if text:
                        for guard in scripted:
                            assert judged[guard], "text left that a guard has not seen"
                        for guard in scripted[:guards]:
                            tail = text[-3:]
                            assert any(tail in seen for seen in judged[guard])
                    released = [through for _, through in run.spoke(index)]
                    assert released == sorted(released)
                    assert len(text) <= max(released, default=0)

            for kind, number, text in actions:
                if kind == "say" and number not in ended:
                    spoken[number] += text
                    run.model.say(text, number)
                elif kind == "end":
                    ended.add(number)
                    run.model.end(number)
                elif kind == "answer":
                    await run.settle()
                    collect()
                    if waiting:
                        question, guard = waiting.pop(number % len(waiting))
                        if not question.reply.done():
                            reply(question, guard)
                else:
                    await run.settle()
                check()
            for index in range(3):
                run.model.end(index)
            while run.task and not run.task.done():
                await run.settle()
                collect()
                for question, guard in waiting:
                    if not question.reply.done():
                        reply(question, guard)
                waiting.clear()
            await run.done()
            check()
            for index in range(3):
                blocked = "X" in spoken[index]
                assert run.reason(index) == ("guard_blocked" if blocked else "max_tokens")
                assert blocked or run.text(index) == spoken[index]
            assert all(guard.open == 0 for guard in scripted)

    asyncio.run(play())


def test_a_calls_text_is_its_name_and_arguments():
    parts = [CallPiece(0, "weather", ""), CallPiece(0, None, '{"city": '), CallPiece(0, None, '"Zürich"}')]
    said = [_said(CallDelta(0, part, None)) for part in parts]
    assert "".join(said) == '{"name": "weather", "parameters": {"city": "Zürich"}'
    assert _said(Delta(0, Piece("a", [], []))) == "a"
