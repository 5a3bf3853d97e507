"""What the layers tell of the call that they handle. Telling costs nothing where nobody listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from google.protobuf.message import Message
from opentelemetry.trace import INVALID_SPAN, Span

from services.event import Event


class GuardRecord:
    """What is told of one question to a guard.

    Attributes:
        decision: what the guard said, in lower case.
    """

    __slots__ = ("decision",)

    def __init__(self) -> None:
        self.decision = "cancelled"


class CallRecord:
    """The record of a call that nobody listens to.

    Attributes:
        begun: its first token came, or needn't be told.
        listens: somebody does.
    """

    begun = True
    listens = False

    @property
    def span(self) -> Span:
        """The call's in its trace."""
        return INVALID_SPAN

    @property
    def trace(self) -> Sequence[tuple[str, str]] | None:
        """The trace's metadata for workers; None to pass on the client's."""
        return None

    def called_by(self, caller: str) -> None:
        """Take who calls, by the name that is configured."""

    def concerns(self, model: str, request: Message) -> None:
        """Take the name of the model as configured, never as a client wrote it, and what is asked of it."""

    def waited(self, model: str, seconds: float) -> None:
        """Take how long the call, or a guard of its, waited for a place at a model."""

    def admitted(self) -> None:
        """Note that there is room for it."""

    def queued(self, seconds: float | None) -> None:
        """Take how long an output that has ended had waited for its slot; None where that isn't known."""

    def events(self, batch: Sequence[Event]) -> None:
        """Take what the client is about to be sent."""

    def attempted(self, pool: str, upstream: str) -> None:
        """Note that an upstream is asked."""

    def resumed(self) -> None:
        """Note that the stream was lost and goes on elsewhere."""

    def relayed(self, message: bytes) -> None:
        """Take a message of a worker's stream: those until `begun`, and the last one."""

    def replied(self, method: str, body: bytes) -> None:
        """Take a worker's answer in one message."""

    @contextmanager
    def guard(self, guard: str, model: str, subject: str) -> Iterator[GuardRecord]:
        """Time a question to a guard."""
        yield GuardRecord()


_record: ContextVar[CallRecord] = ContextVar("call_record", default=CallRecord())  # noqa: B039 - it has no state


def call_record() -> CallRecord:
    """Give the record of the call that is being handled."""
    return _record.get()


def set_call_record(record: CallRecord) -> None:
    """Let this be the record of the call that this task handles, and of the tasks it begins from now on."""
    _record.set(record)
