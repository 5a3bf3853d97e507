"""What a streamed token costs the server in CPU time, through gRPC, with the simulator as the model.

For each number of streams, the simulator emits a fixed total rate of tokens. The baseline, in the same run with the
same clients, is a bare `grpc.aio` server that does nothing but write ready-made bytes, a message per token and stream.

Server CPU is user and system time of the server's process, over the tokens that clients got. Added latency is how much
later a token came than its stream's schedule has it: token i is due i intervals after the stream's first, and the
stream's earliest token by that measure is its zero; so it is what varies on the way, sending and reading included. Past
the rate that the server can do, it grows for as long as the run lasts. Fairness is Jain's index of the streams' rates:
1 when all are equal, 1/N when one has everything.

    python -m benchmarks.wire [--streams 1 32 256 1024] [--rate 28000] [--seconds 6] [--repeats 3] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks.client import METHOD
from benchmarks.result import RESULTS, save, spread, table
from benchmarks.server import Server, paddock, printing
from benchmarks.workload import percentiles
from paddock.v1 import generate_pb2

_SHORTEST_S = 1e-3
"""Between a stream's tokens: few streams don't reach the rate, since no model is that fast."""


def main() -> None:
    """Run the measurement, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 32, 256, 1024])
    parser.add_argument("--rate", type=int, default=28_000, help="tokens per second, all streams together")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two streams, half a second, one repeat: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--client", metavar="ADDRESS", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=float, metavar="INTERVAL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.streams, arguments.seconds, arguments.repeats, arguments.rate = [2], 0.5, 1, 200
    if arguments.client:
        streams = arguments.streams[0]
        interval = _interval(streams, arguments.rate)
        tokens = max(2, int(arguments.seconds / interval))
        print(json.dumps(asyncio.run(_client(arguments.client, streams, tokens, interval))))
    elif arguments.bare is not None:
        asyncio.run(_bare_server(arguments.bare))
    else:
        _measure(arguments)


def _interval(streams: int, rate: int) -> float:
    return max(_SHORTEST_S, streams / rate)


def _measure(arguments: argparse.Namespace) -> None:
    results = [_compare(streams, arguments) for streams in arguments.streams]
    report = {"settings": vars(arguments), "results": results}
    print(markdown(report))
    print(f"\nwritten to {save('wire', report, arguments.out)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the table of a saved result."""
    header = ["streams", "offered, tokens/s", "tokens/s", "server CPU us/token", "bare grpc.aio us/message", "ratio"]
    rows = [_row(result) for result in report["results"]]
    return table([*header, "added latency p50/p95/p99, ms", "fairness"], rows)


def _compare(streams: int, arguments: argparse.Namespace) -> dict[str, Any]:
    interval = _interval(streams, arguments.rate)
    ours: list[dict[str, Any]] = []
    bare: list[dict[str, Any]] = []
    for _ in range(arguments.repeats):
        for start, turns in ((_paddock, ours), (_bare, bare)):
            with start(interval, streams) as server:
                turns.append(_run(server, streams, arguments))
    ratios = [a["cpu_us_per_token"] / b["cpu_us_per_token"] for a, b in zip(ours, bare, strict=True)]
    return {"streams": streams, "offered": streams / interval, "paddock": ours, "bare": bare, "ratios": ratios}


def _row(result: dict[str, Any]) -> list[str]:
    ours, bare = result["paddock"], result["bare"]
    latency = [spread([turn["added_latency_s"][p] * 1e3 for turn in ours], 1) for p in ("p50", "p95", "p99")]
    return [
        str(result["streams"]),
        f"{result['offered']:.0f}",
        spread([turn["tokens_per_s"] for turn in ours], 0),
        spread([turn["cpu_us_per_token"] for turn in ours], 1),
        spread([turn["cpu_us_per_token"] for turn in bare], 1),
        spread(result["ratios"]),
        " / ".join(latency),
        spread([turn["fairness"] for turn in ours], 4),
    ]


def _run(server: Server, streams: int, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.wire", "--client", server.address, "--streams", str(streams)]
    command += ["--rate", str(arguments.rate), "--seconds", str(arguments.seconds)]
    before = server.cpu_s()
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=arguments.seconds * 10 + 60)
    cpu = server.cpu_s() - before
    result: dict[str, Any] = json.loads(done.stdout)
    return {
        **result,
        "tokens_per_s": result["tokens"] / result["seconds"],
        "cpu_us_per_token": cpu * 1e6 / result["tokens"],
    }


def _paddock(interval: float, streams: int) -> AbstractContextManager[Server]:
    backend = "models.simulator.backend"
    settings = [f"{backend}.time_per_token_s={interval}", f"{backend}.max_concurrency={streams}"]
    return paddock("model=simulator", *settings, f"server.max_concurrent_rpcs={streams + 64}")


def _bare(interval: float, streams: int) -> AbstractContextManager[Server]:
    return printing([sys.executable, "-m", "benchmarks.wire", "--bare", str(interval), "--streams", str(streams)])


async def _client(address: str, streams: int, tokens: int, interval: float) -> dict[str, Any]:
    """Read that many streams at once, as bytes; parse them when all have ended."""
    request = generate_pb2.GenerateRequest(prompt="x", max_tokens=tokens)
    request.stop.ignore_eos = True
    request.sampling.temperature = 0
    body = request.SerializeToString()

    async def read(method: Any) -> list[tuple[float, bytes]]:
        return [(time.perf_counter(), message) async for message in method(body)]

    async with grpc.aio.insecure_channel(address) as channel:
        method: Any = channel.unary_stream(METHOD)
        started = time.perf_counter()
        read_streams = await asyncio.gather(*(read(method) for _ in range(streams)))
        seconds = time.perf_counter() - started
    arrivals = [_arrivals(messages) for messages in read_streams]
    return {
        "tokens": sum(map(len, arrivals)),
        "messages": sum(map(len, read_streams)),
        "seconds": seconds,
        "added_latency_s": percentiles([late for moments in arrivals for late in lateness(moments, interval)]),
        "fairness": jain([len(moments) / (moments[-1] - started) for moments in arrivals]),
    }


def _arrivals(messages: Sequence[tuple[float, bytes]]) -> list[float]:
    """Tell when each token came."""
    moments: list[float] = []
    for moment, message in messages:
        for event in generate_pb2.GenerateStreamResponse.FromString(message).events:
            moments += [moment] * len(event.token_delta.tokens)
    return moments


def lateness(moments: Sequence[float], interval: float) -> list[float]:
    """Tell how much later each came than a schedule of one per interval, through the earliest of them."""
    offsets = [moment - i * interval for i, moment in enumerate(moments)]
    return [offset - min(offsets) for offset in offsets]


def jain(rates: Sequence[float]) -> float:
    """Give Jain's fairness index (Jain, Chiu, Hawe 1984): the squared sum over N times the sum of squares."""
    return sum(rates) ** 2 / (len(rates) * sum(rate * rate for rate in rates))


async def _bare_server(interval: float) -> None:
    """Write one ready-made token message per interval and stream."""
    token = generate_pb2.StreamEvent(token_delta=generate_pb2.TokenDelta(text=" token"))
    token.token_delta.tokens.add(id=1234, piece=b" token")
    message = generate_pb2.GenerateStreamResponse(events=[token]).SerializeToString()

    async def stream(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        due = time.perf_counter()
        for _ in range(generate_pb2.GenerateRequest.FromString(body).max_tokens):
            due += interval
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await context.write(message)

    server = grpc.aio.server()
    handler: Any = grpc.unary_stream_rpc_method_handler(stream)
    service, _, method = METHOD[1:].partition("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"bare server on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    main()
