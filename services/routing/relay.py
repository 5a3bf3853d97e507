"""Calls to upstreams, as raw bytes: retried elsewhere while nothing has come of them, resumed once something has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc.aio
from google.protobuf.message import DecodeError

from paddock.v1 import generate_pb2
from services.pacing import Pace
from services.routing.attempt import Attempts
from services.routing.config import RetryConfig
from services.routing.error import MalformedError, Trailing, UpstreamError, trailing
from services.routing.outbox import Outbox
from services.routing.route import Route
from services.routing.transcript import Transcript, check_beginning
from services.routing.upstream import Upstream
from services.telemetry.record import CallRecord, call_record

T = TypeVar("T")
_UpstreamCall = grpc.aio.UnaryStreamCall[bytes, bytes]

_SERVICE = "/paddock.v1.InferenceService/"
_STREAM = f"{_SERVICE}GenerateStream"
_INLINE_BYTES = 2**15
"""More of a stream than this is read in a thread: it takes more than a millisecond."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a client's call is, beside its request.

    Attributes:
        metadata: that goes along.
        remaining_s: gives the seconds until its deadline; None where it has none.
        tokens: what it counts for while an upstream has it.
        outputs: slots of the upstream's that it takes.
        key: of calls that are better answered by the same upstream; None for no matter.
    """

    metadata: Sequence[tuple[str, str | bytes]]
    remaining_s: Callable[[], float | None]
    tokens: int = 1
    outputs: int = 1
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An upstream's answer in one message, and the metadata that came with it."""

    body: bytes
    trailing: Trailing


@dataclass(frozen=True, slots=True)
class Used:
    """What a request took.

    Attributes:
        tokens: read and written.
        whole: it came to its own end.
    """

    tokens: int
    whole: bool


def used(usage: generate_pb2.Usage, finished: Iterable[generate_pb2.OutputFinished]) -> Used:
    """Read what a request took from its end."""
    return Used(usage.total_tokens, all(each.reason != generate_pb2.FINISH_REASON_TIME_LIMIT for each in finished))


async def ask(route: Route, method: str, body: bytes, call: Call, config: RetryConfig) -> Reply:
    """Make a unary call. It has no side effect, so whatever loses it, it is made again elsewhere.

    Args:
        method: its name within the service.
        body: the request.

    Raises:
        UpstreamError: an upstream's own word.
        ModelUnavailableError: there is no upstream, or none that stays.
    """
    attempts = Attempts(route, config, call.tokens, call.key, call.outputs)
    loss: UpstreamError | None = None
    while True:
        try:
            with attempts.next() as upstream:
                if upstream is not None:
                    return await _ask(upstream, method, body, call, attempts)
        except UpstreamError as error:
            attempts.retry(error)
            loss = error
        else:
            await attempts.wait(loss)


async def _ask(upstream: Upstream, method: str, body: bytes, call: Call, attempts: Attempts) -> Reply:
    unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = upstream.channel.unary_unary(f"{_SERVICE}{method}")
    made = unary(body, timeout=call.remaining_s(), metadata=[*call.metadata, *upstream.credential.metadata])
    try:
        answer = await made
        if (record := call_record()).listens:
            await off_loop(answer, record.replied, method, answer)
        return Reply(answer, (*trailing(await made.trailing_metadata()), *attempts.metadata))
    finally:
        made.cancel()


class StreamRelay:
    """One GenerateStream, from however many upstreams it takes.

    Attributes:
        trailing: the metadata that came with its end.
        used: what it took, where that was told.
    """

    def __init__(
        self,
        route: Route,
        request: generate_pb2.GenerateRequest,
        body: bytes,
        call: Call,
        config: RetryConfig,
        pace: Pace | None = None,
    ) -> None:
        """Take the request, also as the bytes that are sent first, and whose turns it writes by."""
        self._route = route
        self._body = body
        self._call = call
        self._outbox = Outbox(pace)
        self._transcript = Transcript(request, config.kept_bytes)
        self._attempts = Attempts(route, config, call.tokens, call.key, call.outputs)
        self._resuming = False
        self._record: CallRecord = call_record()
        self._last = b""
        """The last message."""
        self._awaited: _UpstreamCall | None = None
        self._gone = False
        """The upstream's call, while its next message is waited for."""
        self.trailing: Trailing = ()
        self.used: Used | None = None

    @property
    def begun(self) -> bool:
        """Whether there is something of it."""
        return self._transcript.begun

    async def run(self, write: Callable[[bytes], Awaitable[None]], computed: Callable[[], None]) -> None:
        """Relay all of it. Cancelling cancels the upstream's call.

        Args:
            write: takes what has come since its last call, as one message.
            computed: called when no upstream has anything to do with it any more.

        Raises:
            UpstreamError: an upstream's own word.
            ModelUnavailableError: there is no upstream, or none that stays.
        """
        reading = asyncio.get_running_loop().create_task(self._read())
        reading.add_done_callback(lambda _: computed())
        try:
            while message := await self._outbox.take():
                await write(message)
            await reading
        finally:
            self._gone = True
            if self._awaited is None:
                reading.cancel()
            else:
                self._awaited.cancel()  # ends the wait for its next message, which gRPC leaks when that is cancelled
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            await self._read_from_upstreams()
            await off_loop(self._last, self._read_usage, self._last)
            if self._record.listens:
                await off_loop(self._last, self._record.relayed, self._last)
        finally:
            self._outbox.close()

    async def _read_from_upstreams(self) -> None:
        loss: UpstreamError | None = None
        while not self._transcript.complete:
            try:
                with self._attempts.next() as upstream:
                    if upstream is not None:
                        self.trailing = await self._read_from(upstream)
                        return
            except UpstreamError as error:
                await self._digest_all()
                self.trailing = self._attempts.metadata
                if not self._transcript.complete:
                    loss = self._after(error, loss)
            else:
                await self._attempts.wait(loss)

    async def _read_from(self, upstream: Upstream) -> Trailing:
        transcript, outbox = self._transcript, self._outbox
        self._resuming = transcript.begun
        if self._resuming:
            self._route.resumes += 1
            self._record.resumed()
        body = await asyncio.to_thread(transcript.request) if self._resuming else self._body
        stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = upstream.channel.unary_stream(_STREAM)
        metadata = [*self._call.metadata, *upstream.credential.metadata]
        made = stream(body, timeout=self._call.remaining_s(), metadata=metadata)
        try:
            while isinstance(message := await self._next(made), bytes):
                if self._resuming:
                    message = transcript.rest(message)
                elif message and not transcript.begun:
                    check_beginning(message)
                if not message:
                    continue
                self._attempts.progressed()
                self._last = message
                if not self._record.begun:
                    self._record.relayed(message)
                transcript.add(message)
                outbox.put(message)
                if outbox.full:
                    await outbox.room()
                if transcript.overfull:
                    await self._digest()
            return (*trailing(await made.trailing_metadata()), *self._attempts.metadata)
        finally:
            made.cancel()

    async def _next(self, made: _UpstreamCall) -> Any:
        self._awaited = made
        try:
            return await made.read()
        finally:
            self._awaited = None
            if self._gone:  # whatever else happened in the same turn of the loop
                raise asyncio.CancelledError

    def _read_usage(self, message: bytes) -> None:
        try:
            events = generate_pb2.GenerateStreamResponse.FromString(message).events
        except DecodeError:  # whatever a worker sends is relayed
            return
        if events and events[-1].HasField("completed"):
            self.used = used(events[-1].completed.usage, [event.finished for event in events])

    def _after(self, error: UpstreamError, loss: UpstreamError | None) -> UpstreamError:
        """Say what was lost, where the call may go elsewhere."""
        if not self._transcript.begun:
            self._attempts.retry(error)
            return error
        if isinstance(error, MalformedError) and not self._resuming:  # it is what the client has
            raise self._attempts.unavailable(error)
        if not error.lost and not (self._resuming and error.resumable):
            raise error
        loss = error if error.lost or loss is None else loss
        self._attempts.go_on(loss)
        return loss

    async def _digest_all(self) -> None:
        """Read what the client has of a stream that is lost."""
        try:
            await self._digest()
        except MalformedError as error:
            raise self._attempts.unavailable(error) from None

    async def _digest(self) -> None:
        if self._transcript.kept > _INLINE_BYTES:
            await asyncio.to_thread(self._transcript.read)
        else:
            self._transcript.read()


async def off_loop(body: bytes, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that reads a message: in a thread when that may take long."""
    if len(body) > _INLINE_BYTES:
        return await asyncio.to_thread(function, *arguments)
    return function(*arguments)
