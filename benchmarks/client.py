"""Clients of a server, as a process: so many streams, each of which asks so many times, one answer after the other.

Prints, as JSON, when each request was sent and had its tokens. All readings are of the machine's monotonic clock, so
that several processes can share one window.

    python -m benchmarks.client grpc|http ADDRESS MODEL STREAMS PROMPT TOKENS ANSWERS FROM UNTIL SEED
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc.aio

from benchmarks.checkpoint import PROMPT_IDS, text
from paddock.v1 import generate_pb2

METHOD = "/paddock.v1.InferenceService/GenerateStream"


@dataclass
class Answer:
    """A request of a stream: sent at, with a token at each of these moments, of so many asked for; did it end?"""

    stream: int
    sent: float
    asked: int
    tokens: list[float] = field(default_factory=list)
    ended: bool = False
    error: str = ""


@dataclass(frozen=True)
class _Plan:
    address: str
    model: str
    streams: int
    prompt: int
    tokens: int
    answers: int
    start: float
    until: float
    seed: int


Send = Callable[[str, int], AsyncIterator[int]]
"""Ask for the answer to a text of so many tokens; yields how many came at once."""


async def run(kind: str, plan: _Plan) -> list[Answer]:
    """Wait for the start, let the streams ask, and leave the answers in progress at the end."""
    answers: list[Answer] = []
    async with grpc.aio.insecure_channel(plan.address) as channel:
        send = _grpc(channel, plan.model) if kind == "grpc" else _http(plan.address, plan.model)
        await channel.channel_ready() if kind == "grpc" else None
        streams = [asyncio.ensure_future(_stream(index, send, plan, answers)) for index in range(plan.streams)]
        await asyncio.wait(streams, timeout=max(0.0, plan.until - time.monotonic()))
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return answers


async def _stream(index: int, send: Send, plan: _Plan, answers: list[Answer]) -> None:
    number = plan.seed * 10_000 + index
    rng = random.Random(number)
    await asyncio.sleep(max(0.0, plan.start - time.monotonic()))
    for _ in range(plan.answers):
        asked = rng.randint(plan.tokens // 2, plan.tokens * 3 // 2)  # so that the streams don't stay in step
        answer = Answer(number, time.monotonic(), asked)
        answers.append(answer)
        try:
            async for count in send(text(rng.choices(PROMPT_IDS, k=plan.prompt)), asked):
                answer.tokens += [time.monotonic()] * count
            answer.ended = True
        except (OSError, RuntimeError, asyncio.IncompleteReadError, grpc.aio.AioRpcError) as error:
            answer.error = f"{type(error).__name__}: {error}"[:200]
            await asyncio.sleep(0.2)  # refused at once, it would only ask again


def _grpc(channel: grpc.aio.Channel, model: str) -> Send:
    method: Any = channel.unary_stream(
        METHOD,
        request_serializer=generate_pb2.GenerateRequest.SerializeToString,
        response_deserializer=generate_pb2.GenerateStreamResponse.FromString,
    )

    async def send(prompt: str, tokens: int) -> AsyncIterator[int]:
        request = generate_pb2.GenerateRequest(model=model, prompt=prompt, max_tokens=tokens)
        request.sampling.temperature = 0
        request.stop.ignore_eos = True
        async for message in method(request):
            yield sum(len(event.token_delta.tokens) for event in message.events)

    return send


def _http(address: str, model: str) -> Send:
    """Speak the OpenAI completions protocol over plain HTTP/1.1: an event with text is a token."""
    host, _, port = address.partition(":")

    async def send(prompt: str, tokens: int) -> AsyncIterator[int]:
        body = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True}
        content = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            head = f"POST /v1/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
            status = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()
            if " 200 " not in status + " ":
                raise RuntimeError(status)
            async for event in _events(reader):
                yield bool(event.get("choices") and event["choices"][0].get("text"))
        finally:
            writer.close()

    return send


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """Read server-sent events out of a chunked body."""
    unread = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        unread += (await reader.readexactly(size + 2))[:-2]
        *lines, unread = unread.split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(str(event["error"]))
                yield event


def main() -> None:
    """Run and print."""
    kind, address, model, *numbers = sys.argv[1:]
    streams, prompt, tokens, answers = (int(number) for number in numbers[:4])
    start, until, seed = float(numbers[4]), float(numbers[5]), int(numbers[6])
    plan = _Plan(address, model, streams, prompt, tokens, answers, start, until, seed)
    print(json.dumps([asdict(answer) for answer in asyncio.run(run(kind, plan))]))


if __name__ == "__main__":
    main()
