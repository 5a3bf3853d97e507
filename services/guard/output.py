"""One output on its way out: what guards have judged of it leaves, the rest waits. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paddock.v1 import chat_pb2, classify_pb2, guard_pb2
from services.event import CallDelta, Delta, Event, Finished, FinishReason, GuardSpoke
from services.guard import view
from services.guard.guard import Attachment, Judgment

_SENTENCE_ENDS = frozenset(".!?\n…。！？।")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in an answer: characters of all that is judged, and UTF-8 bytes of what of it is the output's text."""

    chars: int
    text_bytes: int


class Answer:
    """What one output says so far, calls and text that the client already has included.

    Attributes:
        end: of all that it says.
        sentence_end: characters up to the last place where a sentence may end.
        complete: nothing will be added.
    """

    def __init__(self, delivered: str, text: str) -> None:
        """Take all that the client already has, and what of it is the output's text."""
        self._pieces = [delivered]
        self.end = Mark(len(delivered), len(text.encode()))
        self.sentence_end = 0
        self.complete = False

    def add(self, event: Event) -> None:
        """Take what an event says."""
        said = _said(event)
        if not said:
            return
        if not _SENTENCE_ENDS.isdisjoint(said):
            self.sentence_end = self.end.chars + len(said)
        text_bytes = len(said.encode()) if isinstance(event, Delta) else 0
        self._pieces.append(said)
        self.end = Mark(self.end.chars + len(said), self.end.text_bytes + text_bytes)

    def text(self) -> str:
        """Give all of it."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]


class Judge:
    """One guard's work on one output.

    Attributes:
        judged: up to where it has spoken.
        busy: it is being asked.
    """

    def __init__(self, attachment: Attachment, answer: Answer) -> None:
        self.attachment = attachment
        self.judged = answer.end
        self.busy = False
        self._answer = answer

    @property
    def through(self) -> bool:
        """Whether it has spoken of all that there is."""
        return self.judged.chars >= self._answer.end.chars

    @property
    def due(self) -> bool:
        """Whether it is to be asked now."""
        new = self._answer.end.chars - self.judged.chars
        enough = new >= self.attachment.config.step_chars or self._answer.sentence_end > self.judged.chars
        return not self.busy and new > 0 and (enough or self._answer.complete)

    def view(self, dialog: Sequence[view.Turn]) -> Iterator[classify_pb2.ClassifyInput]:
        """Show it all that is new by now, in windows that reach back."""
        config, text = self.attachment.config, self._answer.text()
        cut = view.windows(len(text), self.judged.chars, config.window_chars, config.overlap_chars)
        # Also in what is no call: the characters of a call that turns out to be none are the same.
        shown = (view.readable(text[start:end]) for start, end in cut)
        return (view.chat(dialog, chat_pb2.ROLE_ASSISTANT, window, config.context_chars) for window in shown)


class GuardedOutput:
    """Holds one output's events back until every enforced guard has judged them.

    Attributes:
        judges: its guards.
        done: its end is among what may leave or has left.
    """

    def __init__(self, index: int, attachments: Sequence[Attachment], delivered: str, text: str) -> None:
        """Take which output it is, its guards, what the client already has of it, and what of that is text."""
        self._index = index
        self._answer = Answer(delivered, text)
        self.judges = [Judge(attachment, self._answer) for attachment in attachments]
        self._held: deque[tuple[int, Event]] = deque()
        self._ready: list[Event] = []
        self._released_bytes = self._answer.end.text_bytes
        self._finished: Finished | None = None
        self._stopped: FinishReason | None = None
        """Nothing more passes, and the output ends for this reason."""
        self._out_of_time = False
        self.done = False

    @property
    def blocked(self) -> bool:
        """Whether a guard refused it, or the input."""
        return self._stopped is FinishReason.GUARD_BLOCKED

    @property
    def mark(self) -> Mark:
        """The place up to which a guard that is asked now will have judged."""
        return self._answer.end

    def push(self, event: Event) -> None:
        """Take an event of the output."""
        if isinstance(event, Finished):
            self._finished = event
            self._answer.complete = True
            self._out_of_time |= event.reason is FinishReason.TIME_LIMIT
        elif self._stopped is None:
            self._answer.add(event)
            self._held.append((self._answer.end.chars, event))
        self._advance()

    def judged(self, judge: Judge, mark: Mark, judgment: Judgment | None) -> None:
        """Take what a guard says of all up to `mark`; None where it could not be asked and that stops nothing."""
        if self._stopped is not None or self.done:
            return
        if judge.attachment.enforced and judgment is not None and not judgment.safe:
            self._ready.append(self._spoke(judge.attachment, judgment, self._released_bytes))
            self._stop(FinishReason.GUARD_BLOCKED)
            return
        judge.judged = mark
        place = len(self._ready)
        self._advance()
        through = min(mark.text_bytes, self._released_bytes)
        self._ready.insert(place, self._spoke(judge.attachment, judgment, through))

    def refuse(self) -> None:
        """Drop all, none of which has left: the input was refused."""
        self._withdraw(FinishReason.GUARD_BLOCKED)

    def end_in_time(self, input_is_judged: bool) -> None:
        """Wait for guards no longer: what is not judged is dropped, and the output ends as soon as it is complete."""
        self._out_of_time = True
        if input_is_judged:
            self._advance()
        else:
            self._withdraw(FinishReason.TIME_LIMIT)

    def take(self) -> list[Event]:
        """Give what may leave."""
        ready, self._ready = self._ready, []
        return ready

    def _advance(self) -> None:
        """Let pass what may."""
        if self.done:
            return
        if self._stopped is None:
            enforced = [judge.judged.chars for judge in self.judges if judge.attachment.enforced]
            self._release(min(enforced, default=self._answer.end.chars))
        if self._finished is None:
            return
        if self._stopped is not None:
            self._end(self._stopped)
        elif all(judge.through for judge in self.judges):
            self._end(self._finished.reason)
        elif self._out_of_time:
            silent = [judge for judge in self.judges if not judge.attachment.enforced and not judge.through]
            self._ready += [self._spoke(judge.attachment, None, self._released_bytes) for judge in silent]
            self._end(FinishReason.TIME_LIMIT if self._held else self._finished.reason)

    def _release(self, through: int) -> None:
        while self._held and self._held[0][0] <= through:
            _, event = self._held.popleft()
            self._ready.append(event)
            if isinstance(event, Delta):
                self._released_bytes += len(event.piece.text.encode())

    def _withdraw(self, reason: FinishReason) -> None:
        self._ready.clear()
        self.done = False
        self._stop(reason)

    def _stop(self, reason: FinishReason) -> None:
        self._stopped = reason
        self._held.clear()
        self._advance()

    def _end(self, reason: FinishReason) -> None:
        if self._finished is None:
            return
        same = reason is self._finished.reason
        self._ready.append(self._finished if same else Finished(self._index, reason, self._finished.completion_tokens))
        self._held.clear()
        self.done = True

    def _spoke(self, attachment: Attachment, judgment: Judgment | None, released_through: int) -> GuardSpoke:
        event = guard_pb2.GuardEvent(
            guard_model=attachment.guard.name,
            verdict=judgment.verdict if judgment else None,
            subject=guard_pb2.GUARD_SUBJECT_OUTPUT,
            released_through=released_through,
        )
        return GuardSpoke(self._index, event)


def _said(event: Event) -> str:
    """What a guard is to judge of an event."""
    if isinstance(event, Delta):
        return event.piece.text
    if isinstance(event, CallDelta):
        name, arguments = event.piece.name, event.piece.arguments
        return arguments if name is None else view.call_start(name) + arguments
    return ""
