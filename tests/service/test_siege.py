"""A process under attack on its port: it lives, others are answered, and what the attack took is given back."""

from __future__ import annotations

import asyncio
import os
import random
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from paddock.v1 import tokenize_pb2
from services.identity.caller import line
from services.identity.key import new_key
from tests.process import paddock, simulator
from tests.service import raw_http2 as http2
from tests.service.failure import failure
from tests.service.raw_http2 import RawConnection, call_headers, frame, message
from tests.service.rig import MODEL, Client, request, soon, until

KEY = new_key()
SHOWN = (("authorization", f"Bearer {KEY}"),)
SHOWN_RAW = (b"authorization", f"Bearer {KEY}".encode())
MOST_CONNECTIONS = 30
SLACK_BYTES = 100 * 2**20
"""Of memory: allocators keep some of what was freed."""
BODY = request(max_tokens=2).SerializeToString()


class Siege:
    """The process, and one of its clients that does nothing wrong."""

    def __init__(self, address: str, pid: int, stderr: Callable[[], str]) -> None:
        self.address, self.stderr = address, stderr
        self._proc = Path(f"/proc/{pid}")
        self.client = Client(address)

    async def answers(self) -> None:
        """Check that others are answered."""
        assert (await self.client.generate(request(max_tokens=2), metadata=SHOWN)).outputs[0].text

    @property
    def memory(self) -> int:
        """Its resident set, in bytes."""
        return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def files(self) -> int:
        """How many it has open."""
        return sum(1 for _ in (self._proc / "fd").iterdir())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def process(checkpoint, tmp_path_factory):
    """A server that is short of patience; one process for all attacks."""
    keys = tmp_path_factory.mktemp("siege") / "keys.jsonl"
    keys.write_text(line("all", KEY, []) + "\n")
    limits = {"receive_s": 1.0, "handshake_s": 1.0, "max_connections": MOST_CONNECTIONS, "max_unread_bytes": 1_000_000}
    arguments = [f"server.{key}={value}" for key, value in {**limits, "api_keys": keys}.items()]
    async with paddock(*simulator(checkpoint, max_concurrency=64), f"models.simulator.name={MODEL}", *arguments) as run:
        siege = Siege(await run.ready(), run.pid, lambda: run.stderr)
        await siege.answers()
        yield siege
        await siege.client.channel.close()
        run.signal()
        assert await run.end() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def siege(process):
    """The process: afterwards it answers, and has neither more memory nor more files open than before."""
    memory, files, written = process.memory, process.files, len(process.stderr())
    yield process
    await process.answers()

    async def given_back() -> bool:
        return process.files <= files + 3 and process.memory < memory + SLACK_BYTES

    await until(given_back)
    assert "Traceback" not in process.stderr()[written:], process.stderr()[written:]
    assert KEY not in process.stderr()


async def test_paths_and_metadata_that_are_no_text(siege):
    """One such path ends servers of grpcio 1.84 and 1.85; a key with a stray byte was logged."""
    for path in (b"/\xff\xfe", b"/paddock.v1.InferenceService/\xff", b"", b"/" * 5000):
        connection = await RawConnection.open(siege.address)
        assert await connection.status(await connection.call("", path=path, body=b"")) in ("2", "12")
        await connection.close()
        await siege.answers()
    odd = [(b"authorization", b"Bearer \xff" + KEY.encode()), (b"x-request-id", b"\xfe\n"), (b"traceparent", b"\xff")]
    connection = await RawConnection.open(siege.address)
    for header in odd:
        assert await connection.status(await connection.call("Generate", header, body=BODY)) == "16"
    await connection.close()


NOISE = random.Random(7)


async def test_garbage_frames(siege):
    for _ in range(60):
        connection = await RawConnection.open(siege.address)
        for _ in range(10):
            stream, size = NOISE.choice([0, 1, 3, 2**31 - 1]), NOISE.choice([0, 1, 4, 5, 8, 9, 500])
            await connection.send(frame(NOISE.randrange(16), NOISE.randrange(256), stream, NOISE.randbytes(size)))
        await connection.close()
    await siege.answers()


async def test_silence_in_place_of_a_beginning(siege):
    """Nothing, half of the preface, and the preface without SETTINGS."""
    connections = [await RawConnection.open(siege.address, greet=False) for _ in range(9)]
    for number, connection in enumerate(connections):
        await connection.send(http2.PREFACE[: (0, 10, 24)[number % 3]])
    await siege.answers()
    for connection in connections:
        await connection.until_closed()
        await connection.close()


async def test_more_connections_than_there_may_be(siege):
    connections = [await RawConnection.open(siege.address) for _ in range(MOST_CONNECTIONS + 10)]
    await siege.answers()
    await connections[-1].until_closed()
    for connection in connections:
        await connection.close()


async def test_a_request_that_does_not_come(siege):
    """Who shows no key is refused before anything else is read, and who does has a second."""
    connection = await RawConnection.open(siege.address)
    assert await connection.status(await connection.call("Generate")) == "16"
    silent = await connection.call("GenerateStream", SHOWN_RAW)
    slow = await connection.call("Generate", SHOWN_RAW)
    await connection.send(http2.data(slow, message(BODY)[:9]))
    await siege.answers()
    for stream in (silent, slow):
        assert await connection.status(stream) == "4"
        assert "did not arrive within 1 s" in connection.headers[stream]["grpc-message"]
    empty = connection.next_stream()
    headers = call_headers("Generate", SHOWN_RAW)
    await connection.send(frame(http2.HEADERS, http2.END_STREAM | http2.END_HEADERS, empty, headers))
    assert await connection.status(empty) == "3"
    await connection.close()


@pytest.mark.parametrize("kind", [http2.PING, http2.SETTINGS])
@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
async def test_floods_of_what_must_be_acknowledged(siege, kind, read):
    connection = await RawConnection.open(siege.address, read=read)
    for _ in range(20):
        await connection.send(frame(kind, payload=b"12345678" if kind == http2.PING else b"") * 1000)
    await siege.answers()
    if kind == http2.PING and read:
        await connection.until_closed()
        assert connection.goaway == b"too_many_pings"
    await connection.close()


@pytest.mark.parametrize("body", [b"", message(BODY)], ids=["headers", "whole calls"])
async def test_rapid_resets(siege, body):
    """CVE-2023-44487. Others' calls are not lost in the queue of those that are gone already."""
    connection = await RawConnection.open(siege.address)

    async def attack() -> None:
        for _ in range(40):
            chunk = b""
            for _ in range(100):
                stream = connection.next_stream()
                chunk += frame(http2.HEADERS, http2.END_HEADERS, stream, call_headers("GenerateStream", SHOWN_RAW))
                chunk += http2.data(stream, body, end=True) if body else b""
                chunk += frame(http2.RST_STREAM, 0, stream, (8).to_bytes(4, "big"))
            await connection.send(chunk)

    await _meanwhile(attack(), siege.answers)
    await connection.close()


async def _meanwhile(attack: Awaitable[None], ask: Callable[[], Awaitable[None]]) -> None:
    running = asyncio.ensure_future(attack)
    while not running.done():
        await ask()
    await soon(running)


@pytest.mark.parametrize("fragment", [b"", http2.header_block([(b"x-more", b"y" * 1000)])], ids=["empty", "growing"])
async def test_headers_without_end(siege, fragment):
    """CVE-2024-27316 and its kind."""
    connection = await RawConnection.open(siege.address)
    stream = connection.next_stream()
    await connection.send(frame(http2.HEADERS, 0, stream, call_headers("Generate", SHOWN_RAW)))
    for _ in range(40):
        await connection.send(frame(http2.CONTINUATION, 0, stream, fragment) * 100)
    await siege.answers()
    await connection.close()


async def test_a_message_that_is_a_bomb(siege):
    """A mebibyte of gzip that holds 256 of them: it is refused before it is there."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(16)) + packer.flush()
    connection = await RawConnection.open(siege.address)
    stream = await connection.call("Generate", SHOWN_RAW, (b"grpc-encoding", b"gzip"))
    before = siege.memory
    await connection.post(stream, message(packed, compressed=True))
    assert await connection.status(stream) == "8"
    assert siege.memory < before + SLACK_BYTES
    await connection.close()


async def test_answers_that_nobody_reads(siege):
    """A window of nothing: what waits to be read is bounded, and who reads is answered."""
    large = tokenize_pb2.DetokenizeRequest(model=MODEL, token_ids=[50] * 60_000)
    asked = large.SerializeToString()
    connection = await RawConnection.open(siege.address, {http2.INITIAL_WINDOW_SIZE: 0})
    streams = [await connection.call("Detokenize", SHOWN_RAW, body=asked) for _ in range(20)]
    await connection.until(lambda: any(connection.headers[stream].get("grpc-status") == "8" for stream in streams))
    await siege.answers()
    failed = await failure(siege.client.stub.Detokenize(large, metadata=SHOWN))
    assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED")
    await connection.close()

    async def room() -> bool:
        try:
            await siege.client.stub.Detokenize(large, metadata=SHOWN)
        except grpc.aio.AioRpcError:
            return False
        return True

    await until(room)


MANY = {
    "messages": b"\x12\x80\x80\x80\x02" + b"\x0a\x00" * 2**21,
    "continuations": b"\x72\x00" * 2**21,
    "stop strings": b"\x32\x80\x80\x80\x02" + b"\x0a\x00" * 2**21,
    "ids": b"\x22\x85\x80\x80\x02\x0a\x80\x80\x80\x02" + b"\x07" * 2**22,
}


@pytest.mark.parametrize("asked", MANY.values(), ids=MANY)
async def test_lists_without_end(siege, asked):
    """Two bytes each on the wire, and up to 60 in memory; each took microseconds to check."""
    make = siege.client.channel.unary_unary("/paddock.v1.InferenceService/Generate")
    failed = await failure(make(asked, metadata=SHOWN))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "entries; at most" in failed.message


async def test_watches_without_end(siege):
    connection = await RawConnection.open(siege.address)
    for _ in range(1500):
        await connection.call("", path=b"/grpc.health.v1.Health/Watch", body=b"")
    await siege.answers()
    await connection.until(lambda: bool(connection.reset) or len(connection.body) >= 1000)
    await connection.close()
