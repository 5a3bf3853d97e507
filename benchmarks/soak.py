"""Many short requests through a gateway and two workers: nothing grows, and every counter adds up.

Streams, answers in one message, tokenizations, requests that are refused for what they ask, and streams that their
client cancels. What clients counted, by method, status and tokens, must be what `/metrics` of the gateway says, and
what those of its workers say together. Memory is the resident set of each process, which may not grow by more than 2 %
from the middle of the run to its end, nor may the number of open files grow; slopes are of least squares over that
half.

    python -m benchmarks soak [--requests 100000] [--at-once 64]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import statistics
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks import twin
from benchmarks.fleet import Process, free_port, routed, running
from benchmarks.result import RESULTS, save, table
from paddock.v1 import generate_pb2, inference_pb2_grpc, tokenize_pb2

MODEL = "plain"

_TIME_PER_TOKEN_S = 0.002
_TOKENS = 4
_LONG = 20_000
"""Tokens of a stream that is cancelled: it can't end by itself before."""
_SAMPLES = 200
_PATIENCE_S = 60.0
_GROWTH = 0.02
_SETTLE_S = 1.0
_COUNTED = re.compile(r'paddock_requests_total\{.*rpc_method="(\w+)",rpc_response_status_code="(\w+)"\} (\d+)')
_USED = re.compile(r'gen_ai_client_token_usage_sum\{.*gen_ai_token_type="(\w+)"\} (\d+)')

Counts = Counter[tuple[str, str]]
"""Calls by method and status; tokens by `tokens` and their type."""

Stub = Any


@dataclass(frozen=True)
class Sample:
    """A process at a moment: after so many requests, its memory in KiB, open files and threads."""

    requests: int
    memory_kib: int
    files: int
    threads: int


def main() -> None:
    """Run; the exit code tells whether all was flat and added up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    report = {"settings": vars(arguments), **asyncio.run(_soak(arguments.requests, arguments.at_once))}
    print(markdown(report))
    print(f"\nwritten to {save('soak', report, arguments.out)}")
    raise SystemExit(not report["good"])


def markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a saved result."""
    header = ["process", "memory at the middle and the end, MiB", "KiB per 1,000 requests", "files", "threads"]
    rows = []
    for name, samples in report["samples"].items():
        middle, last = samples[len(samples) // 2], samples[-1]
        rows.append(
            [
                name,
                f"{middle['memory_kib'] / 1024:.1f}, {last['memory_kib'] / 1024:.1f}",
                f"{report['slopes'][name]:.2f}",
                f"{middle['files']}, {last['files']}",
                f"{middle['threads']}, {last['threads']}",
            ]
        )
    counted = [[name, *map(str, counts)] for name, counts in report["counts"].items()]
    rate = f"{report['settings']['requests']} requests in {report['seconds']:.0f} s."
    return "\n\n".join([rate, table(header, rows), table(["counted", "clients", "gateway", "workers"], counted)])


async def _soak(count: int, at_once: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        twin.write_config(folder, _TIME_PER_TOKEN_S)
        ports = [free_port() for _ in range(3)]
        told = [["telemetry.log_level=WARNING", f"telemetry.metrics_address=127.0.0.1:{port}"] for port in ports]
        workers = [Process(["--config-dir", str(folder), "model=drill", *settings]) for settings in told[1:]]
        async with running(*workers):
            arguments = [*routed(folder, [MODEL], [worker.address for worker in workers]), *told[0]]
            gateway = Process(arguments)
            async with running(gateway):
                processes = {"gateway": gateway, "worker 1": workers[0], "worker 2": workers[1]}
                started = time.monotonic()
                clients, samples = await _load(gateway.address, count, at_once, processes)
                seconds = time.monotonic() - started
                counts = [clients, *[await asyncio.to_thread(_counted, [port]) for port in ports[:1]]]
                counts.append(await asyncio.to_thread(_counted, ports[1:]))
    slopes = {name: _slope(of_one[len(of_one) // 2 :]) for name, of_one in samples.items()}
    names = sorted(set().union(*counts))
    together = {" ".join(name): [one[name] for one in counts] for name in names}
    return {
        "seconds": seconds,
        "counts": together,
        "samples": {name: [asdict(sample) for sample in of_one] for name, of_one in samples.items()},
        "slopes": slopes,
        "good": all(map(_flat, samples.values())) and all(len(set(three)) == 1 for three in together.values()),
    }


async def _load(
    address: str, count: int, at_once: int, processes: Mapping[str, Process]
) -> tuple[Counts, dict[str, list[Sample]]]:
    """Make all requests, so many at once, and look at the processes on the way."""
    counts, numbers = Counts(), itertools.count()
    samples: dict[str, list[Sample]] = {name: [] for name in processes}

    async with grpc.aio.insecure_channel(address) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)

        async def client() -> None:
            while (number := next(numbers)) < count:
                if number % max(1, count // _SAMPLES) == 0:
                    _look(processes, number, samples)
                method, make = _CALLS[number % len(_CALLS)]
                try:
                    await asyncio.wait_for(make(stub, number, counts), _PATIENCE_S)
                    counts[method, "OK"] += 1
                except grpc.aio.AioRpcError as error:
                    counts[method, error.code().name] += 1

        await asyncio.gather(*(client() for _ in range(at_once)))
        await asyncio.sleep(_SETTLE_S)  # a call is counted once its end has left
        _look(processes, count, samples)
    return counts, samples


def _look(processes: Mapping[str, Process], number: int, samples: Mapping[str, list[Sample]]) -> None:
    for name, process in processes.items():
        folder = Path(f"/proc/{process.pid}")
        status = (folder / "status").read_text(encoding="utf-8")
        memory, threads = (int(re.findall(rf"{key}:\s+(\d+)", status)[0]) for key in ("VmRSS", "Threads"))
        samples[name].append(Sample(number, memory, sum(1 for _ in (folder / "fd").iterdir()), threads))


def _request(number: int, **fields: Any) -> generate_pb2.GenerateRequest:
    told = {"model": MODEL, "prompt": f"Horse {number}", "max_tokens": _TOKENS, "stop": {"ignore_eos": True}}
    return generate_pb2.GenerateRequest(**{**told, **fields})


async def _stream(stub: Stub, number: int, counts: Counts) -> None:
    async for message in stub.GenerateStream(_request(number)):
        for event in message.events:
            if event.HasField("completed"):
                _use(event.completed.usage, counts)


async def _generate(stub: Stub, number: int, counts: Counts) -> None:
    _use((await stub.Generate(_request(number))).usage, counts)


async def _tokenize(stub: Stub, number: int, counts: Counts) -> None:
    await stub.Tokenize(tokenize_pb2.TokenizeRequest(model=MODEL, text=f"Horse {number}"))


async def _refused(stub: Stub, number: int, counts: Counts) -> None:
    await stub.Generate(_request(number, sampling={"temperature": -1.0}))


async def _cancelled(stub: Stub, number: int, counts: Counts) -> None:
    call = stub.GenerateStream(_request(number, max_tokens=_LONG))
    await call.read()
    call.cancel()
    try:
        await call.read()
    except asyncio.CancelledError:
        await call.code()
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.CANCELLED, grpc.aio.Metadata(), grpc.aio.Metadata(), "by us"
        ) from None


def _use(usage: generate_pb2.Usage, counts: Counts) -> None:
    counts["tokens", "input"] += usage.prompt_tokens
    counts["tokens", "output"] += usage.completion_tokens


_CALLS: Sequence[tuple[str, Callable[[Stub, int, Counts], Awaitable[None]]]] = (
    *[("GenerateStream", _stream)] * 12,
    *[("Generate", _generate)] * 4,
    *[("Tokenize", _tokenize)] * 2,
    ("Generate", _refused),
    ("GenerateStream", _cancelled),
)


def _counted(ports: Sequence[int]) -> Counts:
    """Add up what processes say."""
    counts = Counts()
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10.0) as answer:
            text = answer.read().decode()
        for method, code, number in _COUNTED.findall(text):
            counts[method, code] += int(number)
        for kind, number in _USED.findall(text):
            counts["tokens", kind] += int(number)
    return counts


def _flat(samples: Sequence[Sample]) -> bool:
    middle, last = samples[len(samples) // 2], samples[-1]
    return last.memory_kib <= middle.memory_kib * (1 + _GROWTH) and last.files <= max(s.files for s in samples[:-1])


def _slope(samples: Sequence[Sample]) -> float:
    """Give the growth of memory in KiB per 1,000 requests."""
    if len(samples) < 2:
        return 0.0
    fit = statistics.linear_regression([s.requests for s in samples], [s.memory_kib for s in samples])
    return fit.slope * 1000


if __name__ == "__main__":
    main()
