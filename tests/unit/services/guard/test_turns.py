"""Guards and the stream's turns: what guards release waits for no turn, what passes without them does."""

from __future__ import annotations

from services.guard.config import GuardMode
from services.pacing import Pace
from tests.scripted_guard import SAFE


class Never(Pace):
    """Gives a stream no second turn."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def turn(self, now: float) -> float:
        return now + 3600.0


async def test_what_a_guard_releases_leaves_at_once(rig):
    guard = rig.attach("output")
    async with rig.running(pace=Never()) as run:
        for number, sentence in enumerate(("one.", "two."), 1):
            run.model.say(sentence)
            question = await guard.next()
            await run.settle()
            question.answer(SAFE)
            await run.settle()
            assert run.text() == "one.two."[: 4 * number]
        run.model.end()
        await run.done()

    assert run.reason() == "max_tokens"


async def test_what_is_only_annotated_takes_turns(rig):
    guard = rig.attach("output", mode=GuardMode.annotate)
    async with rig.running(pace=Never()) as run:
        run.model.say("a")
        await run.settle()
        assert run.text() == "a", "the first token"

        run.model.say("b")
        await run.settle()
        assert run.text() == "a"

        run.model.say("c.")
        question = await guard.next()
        question.answer(SAFE)
        await run.settle()
        assert run.text() == "abc.", "it leaves with the verdict"

        run.model.say("d")
        run.model.end()
        (await guard.next()).answer(SAFE)
        await run.done()

    assert run.text() == "abc.d"


async def test_each_output_begins_at_once(rig):
    rig.attach("input", unsafe=lambda text: False)
    async with rig.running(pace=Never(), n=2) as run:
        for index in (0, 1):
            run.model.say("a", index)
            await run.settle()
            run.model.say("b", index)
            await run.settle()
            assert run.text(index) == "a"
        run.model.end(0)
        await run.settle()
        assert run.text(0) == "ab"
        assert run.reason(0) == "max_tokens"
        run.model.end(1)
        await run.done()
