"""A generation with guards, of which a test decides who does what, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

from backends.types import Finish, FinishReason, GenerationRequest, Sampling, TokenDelta, Usage
from llama.tokenizer import Tokenizer
from paddock.v1 import generate_pb2, guard_pb2
from services.config import ModelConfig
from services.event import CallDelta, Completed, Delta, Event, Finished, GuardSpoke
from services.generation import Generation, Plan
from services.guard.config import GuardConfig, GuardMode, GuardSubject
from services.guard.generation import GuardedGeneration
from services.guard.guard import Guard
from services.guard.watch import watch
from services.pacing import Pace
from tests.checkpoint import END_OF_TURN
from tests.scripted_guard import ScriptedGuard
from tests.service.backend import ScriptedBackend, byte_id, end


class ScriptedModel(ScriptedBackend):
    """Says what a test tells it to say, an output at a time: output i of seed 0 has seed i."""

    def __init__(self) -> None:
        super().__init__(self._speak)
        self._queues: dict[int, asyncio.Queue[TokenDelta | Exception | None]] = {}

    def _queue(self, index: int) -> asyncio.Queue[TokenDelta | Exception | None]:
        return self._queues.setdefault(index, asyncio.Queue())

    def say(self, text: str, index: int = 0) -> None:
        """Produce text, a token per character, in one burst."""
        self._queue(index).put_nowait(TokenDelta(tuple(map(byte_id, text))))

    def end(self, index: int = 0) -> None:
        """End the answer by MAX_TOKENS."""
        self._queue(index).put_nowait(None)

    def stop(self, index: int = 0) -> None:
        """End the answer by a stop token."""
        finish = Finish(FinishReason.STOP, Usage(1, 1))
        self._queue(index).put_nowait(TokenDelta((END_OF_TURN,), finish=finish))

    def fail(self, error: Exception, index: int = 0) -> None:
        """Fail."""
        self._queue(index).put_nowait(error)

    async def _speak(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        while True:
            said = await self._queue(request.sampling.seed).get()
            if said is None:
                yield end(request)
                return
            if isinstance(said, Exception):
                raise said
            yield said
            if said.finish:
                return


class Run:
    """A generation that is being read.

    Attributes:
        events: all that came.
        error: what it ended with.
    """

    def __init__(self, generation: Generation | GuardedGeneration, model: ScriptedModel, plan: Plan) -> None:
        self.generation = generation
        self.model = model
        self.events: list[Event] = []
        self.error: BaseException | None = None
        self._plan = plan
        self._news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def read(self, budget_s: float | None) -> None:
        """Read to the end."""
        try:
            async with aclosing(self.generation.run(budget_s)) as batches:
                async for batch in batches:
                    assert batch
                    self.events += batch
                    self._news.set()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    async def settle(self) -> None:
        """Let everything happen that needs no more from outside."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def done(self) -> None:
        """Wait for the end, and check what must hold of all that came."""
        await asyncio.wait_for(asyncio.shield(self.task), 30)
        await self.settle()
        assert self.model.running == 0, "a slot is still held"

    def text(self, index: int = 0) -> str:
        """The text that came of an output."""
        return "".join(e.piece.text for e in self.events if isinstance(e, Delta) and e.index == index)

    def ids(self, index: int = 0) -> list[int]:
        """The ids that came of an output."""
        deltas = (e for e in self.events if isinstance(e, (Delta, CallDelta)) and e.index == index)
        return [token_id for event in deltas for token_id in event.piece.token_ids]

    def reason(self, index: int = 0) -> str | None:
        """Why an output ended, if it has."""
        ends = [event for event in self.events if isinstance(event, Finished) and event.index == index]
        assert len(ends) < 2
        return ends[0].reason.value if ends else None

    def spoke(self, index: int = 0) -> list[tuple[str, int]]:
        """What guards said of an output: decision and released_through."""
        return [
            (_decision(event.said), event.said.released_through)
            for event in self._said(guard_pb2.GUARD_SUBJECT_OUTPUT)
            if event.index == index
        ]

    def spoke_of_input(self) -> list[tuple[str, str]]:
        """What guards said of the input: name and decision."""
        return [(event.said.guard_model, _decision(event.said)) for event in self._said(guard_pb2.GUARD_SUBJECT_INPUT)]

    def _said(self, subject: int) -> list[GuardSpoke]:
        return [event for event in self.events if isinstance(event, GuardSpoke) and event.said.subject == subject]

    @property
    def completed(self) -> Completed | None:
        """The end of the request, if it has come."""
        return self.events[-1] if self.events and isinstance(self.events[-1], Completed) else None

    @property
    def guard_tokens(self) -> int | None:
        """What guards used."""
        assert self.completed is not None
        return self.completed.guard_tokens


def _decision(said: guard_pb2.GuardEvent) -> str:
    if not said.HasField("verdict"):
        return "-"
    return guard_pb2.GuardDecision.Name(said.verdict.decision).removeprefix("GUARD_DECISION_")


class Rig:
    """Makes runs. Guards are attached by `attach`, and named in that order: g0, g1, ..."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._configs: list[GuardConfig] = []
        self._guards: dict[str, Guard] = {}
        self.required: dict[str, bool] = {}
        """What the last run said of its guards, by name."""

    def attach(
        self, subject: str, unsafe: Callable[[str], bool] | None = None, reads_chats: bool = True, **config: object
    ) -> ScriptedGuard:
        """Attach a guard to the input or the output."""
        guard = ScriptedGuard(unsafe)
        name = f"g{len(self._configs)}"
        self._configs.append(GuardConfig(**{"model": name, "subject": GuardSubject(subject), **config}))
        self._guards[name] = Guard(name, reads_chats, guard.classify)
        return guard

    @asynccontextmanager
    async def running(
        self, budget_s: float | None = None, prompt: str = "the_prompt", pace: Pace | None = None, **fields: object
    ) -> AsyncGenerator[Run, None]:
        """Start a run; `fields` are the plan's. It is cancelled in the end if it still goes on."""
        model = ScriptedModel()
        plan = Plan(
            **{
                "prompt": tuple(self._tokenizer.encode(prompt)),
                "neutralized": 0,
                "sampling": Sampling(seed=0),
                "n": 1,
                "max_tokens": 10_000,
                "min_tokens": 0,
                "stop_strings": (),
                "stop_token_ids": frozenset(),
                "ignore_eos": False,
                "include_stop": False,
                "logprobs": None,
                "prompt_logprobs": None,
                "guard_modes": tuple(config.mode for config in self._configs),
                **fields,
            }
        )
        generation = Generation(plan, model, self._tokenizer)
        config = ModelConfig(name="m", guards=self._configs)
        request = generate_pb2.GenerateRequest(prompt=prompt)
        self.required = {}
        watched = watch(request, plan, config, self._guard_of, self._tokenizer)
        guarded = GuardedGeneration(generation, plan, watched, self._tokenizer, pace) if watched else generation
        run = Run(guarded, model, plan)
        run.task = asyncio.create_task(run.read(budget_s))
        try:
            yield run
        finally:
            run.task.cancel()
            await asyncio.wait([run.task])

    def _guard_of(self, name: str, required: bool) -> Guard:
        self.required[name] = required
        return self._guards[name]


def forbidden(word: str) -> Callable[[str], bool]:
    """A rule: a text is unsafe that holds the word."""
    return lambda text: word in text


def modes(*names: str) -> Sequence[GuardMode]:
    """Modes by name."""
    return tuple(GuardMode[name] for name in names)
