"""A client that speaks HTTP/2 frame by frame (RFC 9113), so that it can also misbehave."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from hpack import Decoder
from hpack.exceptions import HPACKError

from tests.service.rig import soon

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
"""Of SETTINGS."""
FIRST_WINDOW = 65_535
"""Bytes that may be sent before anything was heard (RFC 9113, 6.9.2)."""
SERVICE = "/paddock.v1.InferenceService/"


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Write a frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    """Write a SETTINGS frame."""
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *each) for each in (values or {}).items()))


def header_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write headers as literals that are never indexed, without Huffman's code (RFC 7541, 6.2.3)."""
    return b"".join(b"\x10" + _text(name) + _text(value) for name, value in headers)


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, size = len(text) - 127, bytearray(b"\x7f")
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    return bytes(size) + bytes((rest,)) + text


def call_headers(method: str, *more: tuple[bytes, bytes], path: bytes | None = None) -> bytes:
    """Write the headers of a call of a method of the service."""
    path = (SERVICE + method).encode() if path is None else path
    given = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    return header_block([*given, (b"te", b"trailers"), (b"content-type", b"application/grpc"), *more])


def message(body: bytes, *, compressed: bool = False) -> bytes:
    """Write a message of gRPC's: its flag, its length, and its body."""
    return struct.pack(">BI", compressed, len(body)) + body


class RawConnection:
    """One connection.

    Attributes:
        headers: that each stream was sent, trailers included.
        body: data that each stream was sent.
        reset: the error code of each stream that was reset.
        goaway: debug data of GOAWAY, once there was one.
        pongs: how many PINGs were answered.
        closed: set when the server has closed the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = Decoder()
        self._news = asyncio.Condition()
        self.headers: dict[int, dict[str, str]] = defaultdict(dict)
        self.body: dict[int, bytearray] = defaultdict(bytearray)
        self.reset: dict[int, int] = {}
        self.goaway: bytes | None = None
        self.pongs = 0
        self.closed = False
        self._reading: asyncio.Task[None] | None = None
        self._stream = -1
        self._greeted = False
        self._first_window = FIRST_WINDOW
        self._window = defaultdict(lambda: self._first_window)  # bytes that may be sent, by stream; 0 is all of them
        self._window[0] = FIRST_WINDOW

    @classmethod
    async def open(
        cls, address: str, given: dict[int, int] | None = None, *, greet: bool = True, read: bool = True
    ) -> RawConnection:
        """Connect; `given` are settings. Without `greet` nothing is said, without `read` nothing is heard."""
        host, _, port = address.rpartition(":")
        connection = cls(*await soon(asyncio.open_connection(host, int(port))))
        if greet:
            connection._greeted = True
            await connection.send(PREFACE + settings(given))
        if read:
            connection._reading = asyncio.ensure_future(connection._read())
        return connection

    async def send(self, raw: bytes) -> None:
        """Write bytes; that the server has closed the connection is no error."""
        if self.closed or self._writer.is_closing():
            return
        with suppress(OSError):
            self._writer.write(raw)
            await soon(self._writer.drain())

    async def call(
        self, method: str, *more: tuple[bytes, bytes], body: bytes | None = None, path: bytes | None = None
    ) -> int:
        """Begin a call, with its whole message where there is one; give its stream."""
        stream = self.next_stream()
        raw = frame(HEADERS, END_HEADERS, stream, call_headers(method, *more, path=path))
        await self.send(raw + (b"" if body is None else data(stream, message(body), end=True)))
        return stream

    async def post(self, stream: int, raw: bytes) -> None:
        """Send the data of a call and end it, no faster than the server takes it; stop where it has answered."""
        while raw and not self._over(stream):
            await self.until(lambda: self._over(stream) or (self._window[0] > 0 and self._window[stream] > 0))
            part = raw[: min(self._window[0], self._window[stream], 2**14)]
            raw = raw[len(part) :]
            self._window[0] -= len(part)
            self._window[stream] -= len(part)
            await self.send(data(stream, part, end=not raw))

    def next_stream(self) -> int:
        """Give the id of a new stream."""
        self._stream += 2
        return self._stream

    async def status(self, stream: int) -> str:
        """Wait for the `grpc-status` of a stream."""
        await self.until(lambda: self._over(stream))
        return self.headers[stream].get("grpc-status", f"reset {self.reset.get(stream)}")

    def _over(self, stream: int) -> bool:
        return "grpc-status" in self.headers[stream] or stream in self.reset

    async def until(self, condition) -> None:
        """Wait for what arrives to fulfil a condition."""

        async def wait() -> None:
            async with self._news:
                await self._news.wait_for(lambda: condition() or self.closed)

        await soon(wait())
        assert condition(), f"closed by the server, {self.goaway!r}"

    async def until_closed(self) -> None:
        """Wait for the server to close the connection."""
        await self.until(lambda: self.closed)

    async def close(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, HPACKError):
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                stream = int.from_bytes(head[5:], "big")
                self._take(head[3], head[4], stream, payload)
                async with self._news:
                    self._news.notify_all()
        self.closed = True
        async with self._news:
            self._news.notify_all()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS:
            self.headers[stream].update((str(name), str(value)) for name, value in self._decoder.decode(payload))
        elif kind == DATA:
            self.body[stream] += payload
        elif kind == RST_STREAM:
            self.reset[stream] = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = payload[8:]
        elif kind == PING and flags & ACK:
            self.pongs += 1
        elif kind == PING:
            self._writer.write(frame(PING, ACK, payload=payload))
        elif kind == WINDOW_UPDATE:
            self._window[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK and self._greeted:
            self._writer.write(frame(SETTINGS, ACK))
            self._open_windows(dict(struct.iter_unpack(">HI", payload)).get(INITIAL_WINDOW_SIZE, self._first_window))

    def _open_windows(self, size: int) -> None:
        """Apply a setting that holds for the streams there are, too (RFC 9113, 6.9.2)."""
        for stream in self._window.keys() - {0}:
            self._window[stream] += size - self._first_window
        self._first_window = size


def data(stream: int, raw: bytes, *, end: bool = False) -> bytes:
    """Write DATA frames of at most 16 KiB."""
    cut = [raw[start : start + 2**14] for start in range(0, len(raw), 2**14)] or [b""]
    return b"".join(
        frame(DATA, END_STREAM if end and number == len(cut) - 1 else 0, stream, part)
        for number, part in enumerate(cut)
    )
