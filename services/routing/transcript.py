"""What a client has of a stream, and what another upstream is to be asked so that the stream goes on.

Messages are kept as bytes. They are read when the stream is lost, or when there are too many to be kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from paddock.v1 import generate_pb2, guard_pb2
from services.routing.error import Code, MalformedError, UpstreamError

_MOST_OUTPUTS = 16
_MOST_IDS = 2**22
"""Of a stream: more than every output of the longest context has."""
_MOST_GUARDS = 1024
_OVERHEAD_BYTES = 64
"""What a message takes beside its bytes."""


@dataclass
class _Output:
    """What there is of one output.

    Attributes:
        ids: of its tokens, a continuation's of the client's included.
        text_bytes: of its text; None where the client sent a continuation without saying.
    """

    ids: array[int] = field(default_factory=lambda: array("I"))
    text_bytes: int | None = 0
    finished: generate_pb2.OutputFinished | None = None


class Transcript:
    """One stream's, for as long as it lasts.

    Attributes:
        begun: there is something of it.
        kept: bytes that were not read.
        complete: its last event is there; known once it was read.
    """

    def __init__(self, request: generate_pb2.GenerateRequest, kept_bytes: int) -> None:
        """Take the client's request, and how many bytes may be kept unread."""
        self._request = request
        self._most = kept_bytes
        self._messages: list[bytes] = []
        self.kept = 0
        self._outputs: dict[int, _Output] = {}
        self._started: generate_pb2.Started | None = None
        self._prompt_tokens = 0
        self._spoken: set[str] = set()
        """Guards of the input that have."""
        self._repeated = 0
        """Tokens of the prompt that a resumed stream sends again."""
        self.begun = False
        self.complete = False
        for given in request.continuations:
            text_bytes = given.text_bytes if given.HasField("text_bytes") else None
            finished = given.finished if given.HasField("finished") else None
            self._outputs[given.output_index] = _Output(array("I", given.token_ids), text_bytes, finished)

    @property
    def overfull(self) -> bool:
        """Whether what is kept is to be read."""
        return self.kept > self._most

    def add(self, message: bytes) -> None:
        """Take a message that the client is sent."""
        self.begun = True
        self._messages.append(message)
        self.kept += len(message) + _OVERHEAD_BYTES

    def read(self) -> None:
        """Read what is kept. Takes a millisecond for about 100 kB.

        Raises:
            MalformedError: it is no such stream; there is no going on from here.
        """
        kept = b"".join(self._messages)
        self._messages, self.kept = [], 0
        for event in _events(kept):
            self._read(event)
        ids = sum(len(output.ids) for output in self._outputs.values())
        if ids > _MOST_IDS or len(self._spoken) > _MOST_GUARDS or max(self._outputs, default=0) >= _MOST_OUTPUTS:
            raise MalformedError

    def request(self) -> bytes:
        """Give the request for the rest: what was read is its continuation, with the parameters that were used."""
        self._repeated = self._prompt_tokens
        wanted = generate_pb2.GenerateRequest()
        wanted.CopyFrom(self._request)
        if self._started is not None:
            used = self._started.parameters
            wanted.sampling.CopyFrom(used.sampling)
            wanted.stop.CopyFrom(used.stop)
            wanted.max_tokens, wanted.min_tokens, wanted.n = used.max_tokens, used.min_tokens, used.n
            if wanted.HasField("chat") and used.HasField("date"):
                wanted.chat.date = used.date
        del wanted.continuations[:]
        for index, output in sorted(self._outputs.items()):
            wanted.continuations.add(
                output_index=index, token_ids=output.ids, finished=output.finished, text_bytes=output.text_bytes
            )
        return wanted.SerializeToString()

    def rest(self, message: bytes) -> bytes:
        """Give what is new in a message of a resumed stream; empty where nothing is.

        Raises:
            UpstreamError: it isn't the same stream, or none.
        """
        new = [event for event in _events(message) if self._is_new(event)]
        return generate_pb2.GenerateStreamResponse(events=new).SerializeToString()

    def _is_new(self, event: generate_pb2.StreamEvent) -> bool:
        kind = event.WhichOneof("event")
        if kind == "started" and self._started is not None:
            self._check_same(event.started)
            return False
        if kind == "prompt":
            again = min(len(event.prompt.tokens), self._repeated)
            self._repeated -= again
            del event.prompt.tokens[:again]
            return bool(event.prompt.tokens)
        return not (kind == "guard" and _is_of_input(event) and event.guard.guard_model in self._spoken)

    def _check_same(self, started: generate_pb2.Started) -> None:
        before = self._started
        if before is None or (before.model, before.parameters, before.prompt_tokens) != (
            started.model,
            started.parameters,
            started.prompt_tokens,
        ):
            raise UpstreamError(Code.INVALID_ARGUMENT, "what was resumed is another stream", ())

    def _read(self, event: generate_pb2.StreamEvent) -> None:
        kind = event.WhichOneof("event")
        if kind == "started":
            self._started = event.started
        elif kind == "prompt":
            self._prompt_tokens += len(event.prompt.tokens)
        elif kind == "completed":
            self.complete = True
        elif kind == "guard":
            if _is_of_input(event):
                self._spoken.add(event.guard.guard_model)
        else:
            self._read_output(self._outputs.setdefault(event.output_index, _Output()), event)

    def _read_output(self, output: _Output, event: generate_pb2.StreamEvent) -> None:
        kind = event.WhichOneof("event")
        if kind == "token_delta":
            if output.text_bytes is not None:
                output.text_bytes += len(event.token_delta.text.encode())
            output.ids.extend(token.id for token in event.token_delta.tokens)
        elif kind == "tool_call_delta":
            output.ids.extend(token.id for token in event.tool_call_delta.tokens)
        elif kind == "finished":
            output.finished = event.finished


def check_beginning(message: bytes) -> None:
    """Check the first message of a stream.

    Raises:
        MalformedError: no stream begins so.
    """
    events = _events(message)
    if not events or events[0].WhichOneof("event") != "started":
        raise MalformedError


def _events(messages: bytes) -> Sequence[generate_pb2.StreamEvent]:
    try:
        return generate_pb2.GenerateStreamResponse.FromString(messages).events
    except DecodeError:
        raise MalformedError from None


def _is_of_input(event: generate_pb2.StreamEvent) -> bool:
    return event.guard.subject == guard_pb2.GUARD_SUBJECT_INPUT
