"""What a streamed token costs the server in CPU time, through gRPC, with the simulator as the model.

For each number of streams, the simulator emits a fixed total rate of tokens. The baseline, in the same run with the
same clients, is a bare `grpc.aio` server that does nothing but write ready-made bytes, a message per token and stream.

    python -m benchmarks.wire [--streams 32 256] [--rate 8000] [--seconds 6] [--repeats 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks.result import save, spread, table
from paddock.v1 import generate_pb2

_METHOD = "/paddock.v1.InferenceService/GenerateStream"
_START_LIMIT_S = 60.0


def main() -> None:
    """Run the measurement, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--rate", type=int, default=8000, help="tokens per second, all streams together")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--client", metavar="ADDRESS", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=float, metavar="INTERVAL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        tokens = int(arguments.rate * arguments.seconds / arguments.streams[0])
        print(json.dumps(asyncio.run(_client(arguments.client, arguments.streams[0], tokens))))
    elif arguments.bare is not None:
        asyncio.run(_bare_server(arguments.bare))
    else:
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    rows, results = [], []
    for streams in arguments.streams:
        interval = streams / arguments.rate
        ours: list[dict[str, float]] = []
        bare: list[dict[str, float]] = []
        for _ in range(arguments.repeats):
            with _paddock(interval, streams) as server:
                ours.append(_run(server, streams, arguments))
            with _bare(interval) as server:
                bare.append(_run(server, streams, arguments))
        ratios = [a["cpu_us_per_token"] / b["cpu_us_per_token"] for a, b in zip(ours, bare, strict=True)]
        results.append({"streams": streams, "paddock": ours, "bare": bare, "ratios": ratios})
        rows.append(
            [
                str(streams),
                spread([r["tokens_per_s"] for r in ours], 0),
                spread([r["cpu_us_per_token"] for r in ours], 1),
                spread([r["cpu_us_per_token"] for r in bare], 1),
                spread(ratios),
            ]
        )
    header = ["streams", "tokens/s", "server CPU us/token", "bare grpc.aio us/message", "ratio"]
    print(table(header, rows))
    print(f"\nwritten to {save('wire', {'rate': arguments.rate, 'results': results})}")


def _run(server: tuple[str, int], streams: int, arguments: argparse.Namespace) -> dict[str, float]:
    address, pid = server
    command = [sys.executable, "-m", "benchmarks.wire", "--client", address, "--streams", str(streams)]
    command += ["--rate", str(arguments.rate), "--seconds", str(arguments.seconds)]
    before = _cpu_s(pid)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=arguments.seconds * 10 + 60)
    cpu = _cpu_s(pid) - before
    result: dict[str, float] = json.loads(done.stdout)
    return {
        "tokens_per_s": result["tokens"] / result["seconds"],
        "messages": result["messages"],
        "tokens": result["tokens"],
        "cpu_us_per_token": cpu * 1e6 / result["tokens"],
    }


def _cpu_s(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _paddock(interval: float, streams: int) -> Iterator[tuple[str, int]]:
    backend = "models.simulator.backend"
    overrides = ["model=simulator", "server.address=127.0.0.1:0", "telemetry.log_level=WARNING"]
    overrides += [f"{backend}.time_per_token_s={interval}", f"{backend}.max_concurrency={streams}"]
    with _process([sys.executable, "-m", "services.cli", "serve", *overrides]) as server:
        yield server


@contextmanager
def _bare(interval: float) -> Iterator[tuple[str, int]]:
    with _process([sys.executable, "-m", "benchmarks.wire", "--bare", str(interval)]) as server:
        yield server


@contextmanager
def _process(command: list[str]) -> Iterator[tuple[str, int]]:
    """Start a server and give its address, read from the line ` on HOST:PORT` that it prints."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield _address(process), process.pid
        finally:
            process.terminate()
            process.wait(_START_LIMIT_S)


def _address(process: subprocess.Popen[str]) -> str:
    if process.stdout is not None:
        for line in process.stdout:
            if " on 127.0.0.1:" in line:
                return "127.0.0.1:" + line.rpartition(":")[2].strip()
    raise RuntimeError("the server ended before it listened")


async def _client(address: str, streams: int, tokens: int) -> dict[str, float]:
    """Read that many streams at once, as bytes."""
    request = generate_pb2.GenerateRequest(prompt="x", max_tokens=tokens)
    request.stop.ignore_eos = True
    request.sampling.temperature = 0
    body = request.SerializeToString()
    messages = 0

    async def read(method: Any) -> int:
        nonlocal messages
        last = b""
        async for message in method(body):
            messages += 1
            last = message
        events = generate_pb2.GenerateStreamResponse.FromString(last).events
        return events[-1].completed.usage.completion_tokens

    async with grpc.aio.insecure_channel(address) as channel:
        method: Any = channel.unary_stream(_METHOD)
        started = time.perf_counter()
        counts = await asyncio.gather(*(read(method) for _ in range(streams)))
        seconds = time.perf_counter() - started
    return {"tokens": sum(counts), "messages": messages, "seconds": seconds}


async def _bare_server(interval: float) -> None:
    """Write one ready-made token message per interval and stream."""
    token = generate_pb2.StreamEvent(token_delta=generate_pb2.TokenDelta(text=" token"))
    token.token_delta.tokens.add(id=1234, piece=b" token")
    message = generate_pb2.GenerateStreamResponse(events=[token]).SerializeToString()

    async def stream(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        count = generate_pb2.GenerateRequest.FromString(body).max_tokens
        due = time.perf_counter()
        for _ in range(count):
            due += interval
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await context.write(message)
        end = generate_pb2.StreamEvent()
        end.completed.usage.completion_tokens = count
        await context.write(generate_pb2.GenerateStreamResponse(events=[end]).SerializeToString())

    server = grpc.aio.server()
    handler: Any = grpc.unary_stream_rpc_method_handler(stream)
    service, _, method = _METHOD[1:].partition("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"bare server on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    main()
