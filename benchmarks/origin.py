"""Stand-ins for servers behind a gateway: they stamp what they write with the time, at a set pace, and compute nothing.

One speaks `GenerateStream` and the health protocol, and takes what exporters of telemetry send; the other speaks the
OpenAI protocol of chats over HTTP/1.1. A message or event has so many tokens; its text is the machine's monotonic
clock.

    python -m benchmarks.origin grpc|http TOKENS_PER_MESSAGE INTERVAL
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from benchmarks.client import METHOD
from paddock.v1 import generate_pb2

MODEL = "bench"
STAMP = "%020.9f"
"""Of a moment, in seconds: twenty characters."""

_BLANK = STAMP % 0
_WORD = " tok"


async def paced(messages: int, interval: float, write: Callable[[str], Awaitable[Any]]) -> None:
    """Write so many stamps, one per interval; without one, as fast as they are taken."""
    due = time.perf_counter()
    for _ in range(messages):
        due += interval
        if interval:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await write(STAMP % time.monotonic())


def _message(tokens: int) -> tuple[bytes, bytes]:
    """Give a message's bytes before and after its stamp."""
    event = generate_pb2.StreamEvent(token_delta=generate_pb2.TokenDelta(text=_BLANK + _WORD * (tokens - 1)))
    for _ in range(tokens):
        event.token_delta.tokens.add(id=1234, piece=_WORD.encode())
    before, _, after = (
        generate_pb2.GenerateStreamResponse(events=[event]).SerializeToString().partition(_BLANK.encode())
    )
    return before, after


async def serve_grpc(tokens_per_message: int, interval: float) -> None:
    """Serve until killed."""
    before, after = _message(tokens_per_message)

    async def stream(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        messages = generate_pb2.GenerateRequest.FromString(body).max_tokens // tokens_per_message
        started = generate_pb2.StreamEvent(started=generate_pb2.Started(model=MODEL))
        await context.write(generate_pb2.GenerateStreamResponse(events=[started]).SerializeToString())
        await paced(messages, interval, lambda stamp: context.write(before + stamp.encode() + after))
        usage = generate_pb2.Usage(prompt_tokens=1, completion_tokens=messages * tokens_per_message)
        ended = generate_pb2.StreamEvent(completed=generate_pb2.Completed(usage=usage))
        await context.write(generate_pb2.GenerateStreamResponse(events=[ended]).SerializeToString())

    async def watch(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        await context.write(serving.SerializeToString())
        await asyncio.Event().wait()

    async def export(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return b""

    collector = "opentelemetry.proto.collector"
    streams, unary = grpc.unary_stream_rpc_method_handler, grpc.unary_unary_rpc_method_handler
    handlers: dict[str, Any] = {
        METHOD: streams(stream),
        "/grpc.health.v1.Health/Watch": streams(watch),
        f"/{collector}.trace.v1.TraceService/Export": unary(export),
        f"/{collector}.metrics.v1.MetricsService/Export": unary(export),
    }
    server = grpc.aio.server(options=[("grpc.http2.min_ping_interval_without_data_ms", 500)])
    for path, handler in handlers.items():
        service, _, method = path[1:].partition("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"origin on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def serve_http(tokens_per_message: int, interval: float) -> None:
    """Serve until killed."""
    choice = {"index": 0, "delta": {"content": _BLANK + _WORD * (tokens_per_message - 1)}, "finish_reason": None}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
    before, _, after = json.dumps(chunk).partition(_BLANK)
    ended = json.dumps({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})

    async def stream(body: bytes, writer: asyncio.StreamWriter) -> None:
        messages = int(json.loads(body)["max_tokens"]) // tokens_per_message
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

        async def write(data: str) -> None:
            event = f"data: {data}\n\n".encode()
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()

        await paced(messages, interval, lambda stamp: write(before + stamp + after))
        await write(ended)
        await write("[DONE]")
        writer.write(b"0\r\n\r\n")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = next((line[15:] for line in head.splitlines() if line.startswith("content-length:")), "0")
                body = await reader.readexactly(int(length))
                if head.startswith("post /v1/chat/completions"):
                    await stream(body, writer)
                else:
                    writer.write(_described())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(f"origin on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def _described() -> bytes:
    """Answer whatever else a gateway asks: its model's name."""
    told = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "bench"}]}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(told)}\r\n\r\n"
    return head.encode() + told


def main() -> None:
    """Serve."""
    kind, tokens, interval = sys.argv[1:]
    asyncio.run({"grpc": serve_grpc, "http": serve_http}[kind](int(tokens), float(interval)))


if __name__ == "__main__":
    main()
