"""services.generation: what waits for the stream's turn, and what never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from backends.errors import ComputeError
from backends.simulator.backend import SimulatorBackend
from backends.simulator.config import Fault
from backends.types import GenerationRequest, Sampling, TokenDelta
from llama.tokenizer import Tokenizer
from services.event import Completed, Delta, Event, Finished
from services.generation import Generation, Plan
from services.pacing import Pace
from tests.checkpoint import TEXT_IDS, VOCAB_SIZE
from tests.service.backend import ScriptedBackend, byte_id, end


class Never(Pace):
    """Gives a stream no second turn."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def turn(self, now: float) -> float:
        return now + 3600.0


class Told(ScriptedBackend):
    """Says one character a step, when the test lets it; keeps what it was asked to wait for."""

    def __init__(self, steps: list[TokenDelta | Exception]) -> None:
        super().__init__()
        self.asked: list[float | None] = []
        self._steps = steps

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta, float | None]:
        for step in self._steps:
            await asyncio.sleep(0)
            if isinstance(step, Exception):
                raise step
            self.asked.append((yield step))


def said(text: str) -> list[TokenDelta]:
    return [TokenDelta((byte_id(character),)) for character in text]


@pytest.fixture(scope="module")
def tokenizer(checkpoint) -> Tokenizer:
    return Tokenizer((checkpoint / "tokenizer.json").read_text())


def plan(**fields: object) -> Plan:
    shape = {"prompt": (1,), "neutralized": 0, "sampling": Sampling(seed=0), "n": 1, "max_tokens": 400}
    shape |= {"min_tokens": 0, "stop_strings": (), "stop_token_ids": frozenset(), "ignore_eos": False}
    return Plan(**{**shape, "include_stop": False, "logprobs": None, "prompt_logprobs": None, **fields})  # type: ignore[arg-type]


async def batches(generation: Generation, budget_s: float | None = None) -> list[list[Event]]:
    """Read to the end."""

    async def read() -> list[list[Event]]:
        async with aclosing(generation.run(budget_s)) as run:
            return [batch async for batch in run]

    return await asyncio.wait_for(read(), 30)


def text(events: list[Event], index: int = 0) -> str:
    return "".join(event.piece.text for event in events if isinstance(event, Delta) and event.index == index)


async def test_the_first_token_and_the_end_leave_at_once_and_all_between_with_the_end(tokenizer):
    backend = Told([*said("abcdefgh"), end(plan().request(0), byte_id("i"))])

    first, rest = await batches(Generation(plan(), backend, tokenizer, Never()))

    assert text(first) == "a"
    assert text(rest) == "bcdefghi"
    assert [type(event) for event in rest[-2:]] == [Finished, Completed]


async def test_without_a_pace_nothing_waits(tokenizer):
    backend = Told([*said("abcdefgh"), end(plan().request(0), byte_id("i"))])

    come = await batches(Generation(plan(), backend, tokenizer))

    assert [text(batch) for batch in come[:3]] == ["a", "b", "c"]
    assert set(backend.asked) <= {None, float("-inf")}


async def test_each_output_begins_at_once(tokenizer):
    may_begin = asyncio.Event()

    async def script(request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        if request.sampling.seed:
            await may_begin.wait()
        yield TokenDelta((byte_id("a"),))
        yield TokenDelta((byte_id("b"),))
        await asyncio.Event().wait()

    generation = Generation(plan(n=2), ScriptedBackend(script), tokenizer, Never())
    async with aclosing(generation.run(None)) as run:
        assert text(await asyncio.wait_for(anext(run), 30), 0).startswith("a")
        may_begin.set()
        assert text(await asyncio.wait_for(anext(run), 30), 1).startswith("a")


async def test_the_end_of_one_output_waits_for_no_other(tokenizer):
    async def script(request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        yield TokenDelta((byte_id("a"),))
        if request.sampling.seed:
            await asyncio.Event().wait()
        yield TokenDelta((byte_id("b"),))
        yield end(request, byte_id("c"))

    generation = Generation(plan(n=2), ScriptedBackend(script), tokenizer, Never())
    events: list[Event] = []
    async with aclosing(generation.run(None)) as run:
        while not any(isinstance(event, Finished) for event in events):
            events += await asyncio.wait_for(anext(run), 30)
    assert text(events) == "abc"


async def test_what_came_before_an_error_leaves_with_it(tokenizer):
    backend = Told([*said("abcd"), ComputeError("told so")])
    run = Generation(plan(), backend, tokenizer, Never()).run(None)

    assert text(await anext(run)) == "a"
    assert text(await anext(run)) == "bcd"
    with pytest.raises(ComputeError):
        await anext(run)


async def test_a_generator_without_an_end_is_an_error(tokenizer):
    with pytest.raises(RuntimeError, match="without a finish"):
        await batches(Generation(plan(), Told(said("ab")), tokenizer, Never()))


async def test_what_a_stop_string_may_end_is_taken_as_it_comes(tokenizer):
    """Or else tokens are computed that nobody will have."""
    backend = Told([*said("abcSTOPdef"), end(plan().request(0))])

    first, rest = await batches(Generation(plan(stop_strings=("STOP",)), backend, tokenizer, Never()))

    assert text(first) + text(rest) == "abc"
    assert backend.asked == [None] * 6


async def test_the_time_limit_gives_all_that_was_made(tokenizer):
    """Though the backend was asked to keep it for an hour."""
    backend = SimulatorBackend(
        vocab_size=VOCAB_SIZE,
        last_token_id=TEXT_IDS - 1,
        context_length=512,
        fault=Fault.HANG_AT_TOKEN,
        fault_at_token=50,
    )
    await backend.load()
    try:
        *_, last = await batches(Generation(plan(), backend, tokenizer, Never()), budget_s=0.3)
    finally:
        await backend.close()

    finished, completed = last[-2:]
    assert isinstance(finished, Finished)
    assert finished.reason.value == "time_limit"
    assert finished.completion_tokens == 50
    assert isinstance(completed, Completed)


async def test_a_reader_who_takes_nothing_holds_up_no_other_stream(tokenizer):
    pace = Pace(50.0)
    steps = [*said("abcdefgh"), end(plan().request(0), byte_id("i"))]
    stalled = Generation(plan(), Told([*said("a" * 300), end(plan().request(0))]), tokenizer, pace).run(None)
    await asyncio.wait_for(anext(stalled), 30)

    come = await batches(Generation(plan(), Told(steps), tokenizer, pace))

    assert "".join(map(text, come)) == "abcdefghi"
    await stalled.aclose()
