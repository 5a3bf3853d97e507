"""A generation beside its guards: what comes out is what they let pass.

The generation runs at its own pace, and so do the guards; events wait in between. Tasks belong to `run`: one that takes
the generation's events, one per guard of the input, and at most one per output and guard of the output.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from llama.tokenizer import Tokenizer
from paddock.v1 import classify_pb2, guard_pb2
from services.errors import DeadlineTooShortError
from services.event import Completed, Event, Finished, FinishReason, GuardSpoke, PromptScored
from services.generation import Generation, Plan
from services.guard.guard import Attachment, Judgment
from services.guard.output import GuardedOutput, Judge
from services.guard.watch import Watch
from services.pacing import Pace, Turn


class GuardedGeneration:
    """Runs one plan, once, with guards.

    Attributes:
        closing: once the run has ended: done when its requests hold no slot any more.
    """

    def __init__(
        self, generation: Generation, plan: Plan, watch: Watch, tokenizer: Tokenizer, pace: Pace | None = None
    ) -> None:
        """Take what is generated, and how often events are wanted; None for as soon as there are any."""
        self._generation = generation
        self._watch = watch
        self._resumed = bool(plan.continuations)
        self._outputs = {
            index: GuardedOutput(
                index, watch.output, _delivered(plan, index, tokenizer), generation.delivered.get(index, "")
            )
            for index in range(plan.n)
            if index not in plan.continuations or not plan.continuations[index].finished
        }
        self._silent = [attachment for attachment, _ in watch.input]
        """Guards of the input that have not spoken."""
        self._input_passes = True
        self._ready: list[Event] = []
        self._prompt_scored: list[Event] = []
        self._completed: Completed | None = None
        self._guard_tokens: int | None = None
        self._begun: set[int] = set()
        self._urgent = False
        """Something came that is not to wait for a turn: the start or the end of an output."""
        self._produced = False
        self._failure: Exception | None = None
        self._out_of_time = False
        self._turn = Turn(pace)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: dict[asyncio.Task[None], GuardedOutput | None] = {}
        """Which output each guard is judging; None for the input."""
        self._dismissed: set[asyncio.Task[None]] = set()
        self.closing: asyncio.Future[None] | None = None

    async def run(
        self, budget_s: float | None, computed: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[list[Event], None]:
        """Yield events in batches: all that guards have let pass since the last one was taken.

        Args:
            budget_s: seconds until the outputs are ended with what has passed; None for no limit.
            computed: called when no request holds a slot any more, whether or not events are taken.

        Raises:
            DeadlineTooShortError: the budget ended before anything passed.
            GuardUnavailableError: an enforced guard could not be asked.
            BackendError: what the backend raised, after the events that passed before it.
        """
        loop = asyncio.get_running_loop()
        timer = None if budget_s is None else loop.call_later(max(budget_s, 0.0), self._end_time)
        self._spawn(self._take_from_generation, budget_s, computed)
        for attachment, inputs in self._watch.input:
            self._asking[self._spawn(self._judge_input, attachment, inputs)] = None
        try:
            while True:
                await self._turn.wait()
                events = self._take()
                if self._out_of_time and self._failure is None:
                    self._finish_open()
                    events += self._take()
                    if not self._produced and not self._resumed:
                        raise DeadlineTooShortError
                if self._failure is not None:
                    if events:
                        yield events
                    raise self._failure
                if self._is_complete and self._completed is not None:
                    yield [*events, Completed(self._completed.usage, self._guard_tokens)]
                    return
                if events:
                    yield events
        finally:
            self._turn.close()
            if timer is not None:
                timer.cancel()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            self.closing = loop.create_task(self._close(tasks))
            if not self._is_complete and not self._out_of_time:  # else nothing waits for the step in progress
                await asyncio.shield(self.closing)

    @property
    def tokens(self) -> int:
        """How many were read and written, so far; without those of guards."""
        return self._generation.tokens

    @property
    def whole(self) -> bool:
        """Whether all outputs came to their own ends."""
        return self._generation.whole

    @property
    def delivered(self) -> Mapping[int, str]:
        """Text that the client already has, by the index of the resumed outputs."""
        return self._generation.delivered

    @property
    def _is_complete(self) -> bool:
        return self._completed is not None and not self._silent and all(out.done for out in self._outputs.values())

    @property
    def _input_is_judged(self) -> bool:
        return not any(attachment.enforced for attachment in self._silent)

    async def _close(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._generation.closing is not None:
            await asyncio.wait([self._generation.closing])

    def _spawn(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._watch_over(work, *arguments))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._asking.pop(task, None)
        self._dismissed.discard(task)

    async def _watch_over(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        try:
            await work(*arguments)
        except (Exception, asyncio.CancelledError) as error:  # `run` raises it, unless it had no use for the task
            if self.closing is None and asyncio.current_task() not in self._dismissed:
                self._failure = self._failure or _as_error(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._turn.call()

    async def _take_from_generation(self, budget_s: float | None, computed: Callable[[], None]) -> None:
        async with aclosing(self._generation.run(budget_s, computed)) as batches:
            async for batch in batches:
                for event in batch:
                    self._push(event)
                for index, output in self._outputs.items():
                    self._ask(index, output)
                if self._urgent:
                    self._turn.call()
                else:
                    self._turn.ask()
                self._urgent = False

    def _push(self, event: Event) -> None:
        if isinstance(event, Completed):
            self._completed = event
        elif isinstance(event, PromptScored):
            self._prompt_scored += [event] if self._input_passes else []
        else:
            self._urgent |= isinstance(event, Finished) or event.index not in self._begun
            self._begun.add(event.index)
            self._out_of_time |= isinstance(event, Finished) and event.reason is FinishReason.TIME_LIMIT
            self._outputs[event.index].push(event)

    def _ask(self, index: int, output: GuardedOutput) -> None:
        """Ask the guards whose turn it is about an output."""
        if output.blocked or output.done or self._out_of_time or self.closing is not None:
            return
        for judge in output.judges:
            if judge.due:
                judge.busy = True
                self._asking[self._spawn(self._judge_output, index, output, judge)] = output

    async def _judge_output(self, index: int, output: GuardedOutput, judge: Judge) -> None:
        mark = output.mark
        judgment = await judge.attachment.ask(judge.view(self._watch.dialog), self._watch.chars + mark.chars)
        judge.busy = False
        self._count(judgment)
        output.judged(judge, mark, judgment)
        if output.blocked:
            self._generation.block(index)
            self._dismiss(output)
        else:
            self._ask(index, output)

    async def _judge_input(self, attachment: Attachment, inputs: Iterator[classify_pb2.ClassifyInput]) -> None:
        judgment = await attachment.ask(inputs, self._watch.chars)
        self._count(judgment)
        if attachment not in self._silent:
            return
        self._silent.remove(attachment)
        self._ready.append(_spoke_of_input(attachment, judgment))
        if attachment.enforced and judgment is not None and not judgment.safe:
            self._refuse_input()
            for index, output in self._outputs.items():
                output.refuse()
                self._generation.block(index)
            self._dismiss()

    def _refuse_input(self) -> None:
        self._silent.clear()
        self._prompt_scored.clear()
        self._input_passes = False

    def _dismiss(self, output: GuardedOutput | None = None) -> None:
        """Hear no more guards, or none on one output."""
        for task, judged in self._asking.items():
            if (output is None or judged is output) and task is not asyncio.current_task():
                task.cancel()
                self._dismissed.add(task)

    def _count(self, judgment: Judgment | None) -> None:
        if judgment is not None:
            self._guard_tokens = (self._guard_tokens or 0) + judgment.tokens

    def _take(self) -> list[Event]:
        """Give what may leave: guards of the input speak first."""
        taken, self._ready = self._ready, []
        if self._input_is_judged:
            taken += self._prompt_scored
            self._prompt_scored = []
            for output in self._outputs.values():
                taken += output.take()
        self._produced |= any(map(_is_product, taken))
        return taken

    def _end_time(self) -> None:
        self._out_of_time = True
        self._turn.call()

    def _finish_open(self) -> None:
        """Let outputs end with what has passed; guards are no longer waited for."""
        input_is_judged = self._input_is_judged
        annotating = [attachment for attachment in self._silent if not attachment.enforced]
        self._ready += [_spoke_of_input(attachment, None) for attachment in annotating]
        if input_is_judged:
            self._silent.clear()
        else:
            self._refuse_input()
        for output in self._outputs.values():
            output.end_in_time(input_is_judged)
        self._dismiss()


def _as_error(error: BaseException) -> Exception:
    """A call that something else cancelled must not leave its request waiting."""
    return error if isinstance(error, Exception) else RuntimeError("a guard or the generation was cancelled")


def _is_product(event: Event) -> bool:
    """Whether an event is of an answer, or its end for another reason than time."""
    if isinstance(event, Finished):
        return event.reason is not FinishReason.TIME_LIMIT
    return not isinstance(event, (PromptScored, GuardSpoke))


def _spoke_of_input(attachment: Attachment, judgment: Judgment | None) -> GuardSpoke:
    event = guard_pb2.GuardEvent(
        guard_model=attachment.guard.name,
        verdict=judgment.verdict if judgment else None,
        subject=guard_pb2.GUARD_SUBJECT_INPUT,
    )
    return GuardSpoke(0, event)


def _delivered(plan: Plan, index: int, tokenizer: Tokenizer) -> str:
    """What the client already has of an output, calls as they were written: whole characters."""
    ids = plan.continuations[index].token_ids if index in plan.continuations else ()
    raw = b"".join(tokenizer.piece(token_id) for token_id in ids if not tokenizer.is_control(token_id))
    return codecs.getincrementaldecoder("utf-8")("replace").decode(raw)
