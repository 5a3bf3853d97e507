"""Clients that tell how long stamped messages were on their way, as a process: see `benchmarks.origin`.

Each stream asks again as soon as it has its answer, over the connection that it has. What arrives within the window
counts; all readings are of the machine's monotonic clock.

    python -m benchmarks.probe grpc|http ADDRESS STREAMS TOKENS TOKENS_PER_MESSAGE FROM UNTIL
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from benchmarks.client import METHOD
from benchmarks.origin import MODEL
from benchmarks.workload import percentiles
from paddock.v1 import generate_pb2

_STAMP = re.compile(rb"\d{10}\.\d{9}")

Read = Callable[[], AsyncIterator[bytes]]
"""Ask, and yield what comes, which may be several messages at once."""


@dataclass
class _Seen:
    """What came within the window.

    Attributes:
        messages: as they were written; a gateway may join them.
        reads: as they came.
    """

    first: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    messages: int = 0
    reads: int = 0
    answers: int = 0
    errors: list[str] = field(default_factory=list)


async def run(kind: str, address: str, streams: int, tokens: int, start: float, until: float) -> _Seen:
    """Keep streams busy until the end of the window."""
    seen = _Seen()
    async with grpc.aio.insecure_channel(address) as channel:
        reads = [_grpc(channel, tokens) if kind == "grpc" else _http(address, tokens) for _ in range(streams)]
        tasks = [asyncio.ensure_future(_stream(read, seen, start, until)) for read in reads]
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return seen


async def _stream(read: Read, seen: _Seen, start: float, until: float) -> None:
    while True:
        asked, begun = time.monotonic(), False
        try:
            async for data in read():
                now = time.monotonic()
                stamps = _STAMP.findall(data)
                if not stamps or not start <= now <= until:
                    continue
                if not begun and asked >= start:
                    seen.first.append(now - asked)
                begun = True
                seen.reads += 1
                seen.messages += len(stamps)
                seen.ages += [now - float(stamp) for stamp in stamps]
            seen.answers += start <= time.monotonic() <= until
        except (OSError, RuntimeError, asyncio.IncompleteReadError, grpc.aio.AioRpcError) as error:
            seen.errors.append(f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(0.2)


def _grpc(channel: grpc.aio.Channel, tokens: int) -> Read:
    method: Any = channel.unary_stream(METHOD)
    body = generate_pb2.GenerateRequest(model=MODEL, prompt="x", max_tokens=tokens).SerializeToString()

    def read() -> AsyncIterator[bytes]:
        call: AsyncIterator[bytes] = method(body)
        return call

    return read


def _http(address: str, tokens: int) -> Read:
    host, _, port = address.partition(":")
    chat = [{"role": "user", "content": "x"}]
    told = {"model": MODEL, "messages": chat, "max_tokens": tokens, "stream": True}
    body = json.dumps(told).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    request = f"{head}Authorization: Bearer none\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def read() -> AsyncIterator[bytes]:
        reader, writer = kept.pop() if kept else await asyncio.open_connection(host, int(port))
        whole = False
        try:
            writer.write(request)
            answered = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]
            if b" 200" not in answered:
                raise RuntimeError(answered.decode())
            while size := int(await reader.readuntil(b"\r\n"), 16):
                yield await reader.readexactly(size + 2)
            await reader.readexactly(2)
            whole = True
        finally:
            if whole:
                kept.append((reader, writer))
            else:
                with suppress(OSError):
                    writer.close()

    return read


def main() -> None:
    """Run and print."""
    kind, address, streams, tokens, per_message, start, until = sys.argv[1:]
    seen = asyncio.run(run(kind, address, int(streams), int(tokens), float(start), float(until)))
    told = {
        "tokens": seen.messages * int(per_message),
        "messages": seen.messages,
        "reads": seen.reads,
        "answers": seen.answers,
        "errors": len(seen.errors),
        "error": next(iter(seen.errors), ""),
        "first_s": percentiles(seen.first),
        "age_s": percentiles(seen.ages),
        "cpu_s": time.process_time(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
