"""A gateway loses workers under load, and no client may notice.

A gateway and workers run as processes; streams of every kind go through the gateway, each asking again as soon as it
has its answer: greedy and drawn, with and without a seed, several outputs, stop strings, logprobs, tool calls, guards.
Every so many seconds something befalls one worker:

- kill: SIGKILL, and it is started again;
- stop: SIGSTOP, for half a second or until it has been given up, then SIGCONT, or SIGKILL and a new start;
- close: all its connections are reset; besides, it ends each by itself after three seconds;
- rolling: SIGTERM, and once it has drained, for at most two seconds, it is started again: one after the other.

Each stream must end without an error and be, to the last token and log probability, the one that a worker gives which
is never disturbed; log probabilities that are computed, as the embedded model's, to 0.0001. A stream's delay is the
longest wait between two of its messages. Of one that fails it is printed what its client was told, and what the
gateway's log says of it: each worker that it lost, and why it was given up.

    python -m benchmarks drill [--fault kill|stop|close|rolling|all] [--seconds 120] [--streams 64] [--workers 4]
    python -m benchmarks drill --model embedded --workers 3 --streams 8 --every 20    # enforced forms, real guards
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks import failure, twin
from benchmarks.fleet import Process, Wire, routed, running
from benchmarks.result import RESULTS, save, table
from benchmarks.twin import DisorderError, Heard, Kind, hear, seed_of, settle
from benchmarks.workload import percentiles
from paddock.v1 import inference_pb2_grpc

FAULTS = ("kill", "stop", "close", "rolling")

_KINDS = 60
_TIME_PER_TOKEN_S = 0.05
_PATIENCE_S = 60.0
"""For a stream, and for a process: who takes longer has failed."""
_LOG_S = 0.5
"""What a line of the gateway's log takes to arrive here."""
_KEEPALIVE_S = 1.0
_HANG_S = 4.0
"""Longer than the gateway needs to give up a worker that hangs."""

_SETTINGS = {
    "close": ["server.max_connection_age_s=3", "server.max_connection_age_grace_s=1"],
    "rolling": ["server.drain_s=2"],
}

Stub = Any  # the stubs' types tell those of grpc.aio from grpc's


def _simulator(folder: Path) -> list[str]:
    return ["--config-dir", str(folder), "model=drill"]


def _embedded(_: Path) -> list[str]:
    return ["model=embedded", "models.paddock-tiny.backend.num_threads=1"]


_SERVED: dict[str, tuple[Callable[[Path], list[str]], Sequence[str], Callable[[int], list[Kind]]]] = {
    "simulator": (_simulator, twin.SIMULATED, twin.simulated),
    "embedded": (_embedded, ("paddock-tiny",), twin.embedded),
}
"""What workers serve, which models of it are routed, and what is asked."""


@dataclass
class Tally:
    """What became of the streams of one kind."""

    streams: int = 0
    resumed: int = 0
    attempts: int = 0
    errors: int = 0
    mismatches: int = 0
    delays: dict[str, list[float]] = field(default_factory=lambda: {"calm": [], "resumed": []})


def main() -> None:
    """Run; the exit code tells whether no client noticed anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fault", choices=(*FAULTS, "all"), default="all")
    parser.add_argument("--model", choices=("simulator", "embedded"), default="simulator")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--every", type=float, default=2.0, help="seconds from one fault to the next")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    faults = FAULTS if arguments.fault == "all" else (arguments.fault,)
    results = [asyncio.run(_Drill(fault, arguments).run()) for fault in faults]
    report = {"settings": vars(arguments), "results": results}
    print(markdown(report, every_kind=True))
    name = "drill" if arguments.model == "simulator" else "drill-embedded"
    print(f"\nwritten to {save(name, report, arguments.out)}")
    raise SystemExit(any(result["bad"] for result in results))


def markdown(report: Mapping[str, Any], *, every_kind: bool = False) -> str:
    """Write the table of a saved result: of all kinds of streams together, or also of each."""
    header = ["fault", "times", "kind", "streams", "resumed", "workers lost", "errors", "mismatches"]
    rows = [row for result in report["results"] for row in _rows(result)[: None if every_kind else 1]]
    return table([*header, "longest wait of others p50/p99, ms", "of resumed p50/p99/max, ms"], rows)


def _rows(result: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            *(result["fault"], str(result["times"]), name, str(told["streams"]), str(told["resumed"])),
            *(str(told["attempts"] - told["streams"]), str(told["errors"]), str(told["mismatches"])),
            _ms(told["delays"]["calm"], "p50", "p99"),
            _ms(told["delays"]["resumed"], "p50", "p99", "max"),
        ]
        for name, told in result["kinds"].items()
    ]


def _ms(figures: Mapping[str, float] | None, *names: str) -> str:
    return " / ".join(f"{figures[name] * 1e3:.0f}" for name in names) if figures else "-"


class _Drill:
    def __init__(self, fault: str, arguments: argparse.Namespace) -> None:
        self._fault = fault
        self._arguments = arguments
        self._rng = random.Random(0)
        self._tallies: dict[str, Tally] = defaultdict(Tally)
        self._complaints: list[str] = []
        self._times = 0
        self._workers: list[Process] = []
        self._wires: list[Wire] = []
        self._hurting: dict[int, asyncio.Task[None]] = {}
        self._gateway: Process | None = None

    async def run(self) -> dict[str, Any]:
        """Run all of it."""
        arguments = self._arguments
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            twin.write_config(folder, _TIME_PER_TOKEN_S)
            twin.write_config(folder / "quick", 0.0)
            served, models, kinds = _SERVED[arguments.model]
            quiet = ["telemetry.log_level=WARNING"]
            extra = _SETTINGS.get(self._fault, [])
            one = {"OMP_NUM_THREADS": "1"}  # else each worker takes all cores, and its start those of the others
            self._workers = [Process([*served(folder), *quiet, *extra], **one) for _ in range(arguments.workers)]
            undisturbed = Process([*served(folder / "quick"), *quiet], **one)
            await stack.enter_async_context(running(*self._workers, undisturbed))
            addresses = [worker.address for worker in self._workers]
            if self._fault == "close":
                addresses = [await self._wire(address, stack) for address in addresses]
            alive = [f"routing.keepalive_s={_KEEPALIVE_S}", f"routing.keepalive_timeout_s={_KEEPALIVE_S}"]
            gateway = Process([*routed(folder, models, addresses), "telemetry.log_format=json", *alive])
            self._gateway = gateway
            await stack.enter_async_context(running(gateway))
            stubs = [await _connected(process.address, stack) for process in (gateway, undisturbed)]
            await self._load(stubs[0], stubs[1], kinds(_KINDS))
            code = await gateway.end()
            self._complain_if(code != 0, f"the gateway ended with {code}")
            self._complain_if(gateway.tracebacks > 0, f"{gateway.tracebacks} tracebacks at the gateway")
        return self._told()

    async def _wire(self, address: str, stack: AsyncExitStack) -> str:
        wire = Wire(address)
        await wire.mend()
        stack.push_async_callback(wire.close)
        self._wires.append(wire)
        return wire.address

    async def _load(self, stub: Stub, undisturbed: Stub, kinds: Sequence[Kind]) -> None:
        """Keep the streams busy while things happen, and let them end after."""
        over = asyncio.Event()
        numbers = itertools.count()

        async def stream() -> None:
            while not over.is_set():
                number = next(numbers)
                await self._check(stub, undisturbed, kinds[number % len(kinds)], f"drill-{number}")

        streams = [asyncio.ensure_future(stream()) for _ in range(self._arguments.streams)]
        await self._befall()
        over.set()
        await asyncio.gather(*streams)
        await asyncio.gather(*self._hurting.values())

    async def _check(self, stub: Stub, undisturbed: Stub, kind: Kind, request_id: str) -> None:
        """Read a stream, and its twin; count what it was."""
        tally = self._tallies[kind.name]
        tally.streams += 1
        try:
            heard = await asyncio.wait_for(hear(stub, kind, request_id), _PATIENCE_S)
            same = Kind(kind.name, type(kind.request)())
            same.request.CopyFrom(kind.request)
            same.request.sampling.seed = seed_of(heard)
            expected = await asyncio.wait_for(hear(undisturbed, same, request_id), _PATIENCE_S)
        except (grpc.aio.AioRpcError, DisorderError, asyncio.TimeoutError) as error:
            tally.errors += 1
            tally.attempts += 1
            self._complaints.append(f"{kind.name}: {failure.told(error)}")
            await self._explain(request_id, self._complaints[-1])
            return
        tally.attempts += heard.attempts
        tally.resumed += heard.attempts > 1
        tally.delays["resumed" if heard.attempts > 1 else "calm"].append(heard.longest_gap_s)
        if self._arguments.model == "embedded":
            settle(heard.answer, expected.answer)
        if heard.answer != expected.answer:
            tally.mismatches += 1
            self._complaints.append(f"{kind.name}: {_difference(heard, expected)}")

    async def _explain(self, request_id: str, complaint: str) -> None:
        """Print how a stream failed, and what the gateway's log says of it."""
        await asyncio.sleep(_LOG_S)
        lines = [] if self._gateway is None else failure.logged(self._gateway.errors, request_id)
        print("\n".join([f"{self._fault}: {request_id}: {complaint}", *lines]), flush=True)

    async def _befall(self) -> None:
        """Let it happen to one worker after the other."""
        until = time.monotonic() + self._arguments.seconds
        turns = itertools.cycle(range(len(self._workers)))
        hurt = {"kill": self._kill, "stop": self._stop, "close": self._close, "rolling": self._roll}[self._fault]
        await asyncio.sleep(self._arguments.every)
        while time.monotonic() < until:
            number = next(turns)
            hurt_now = {other for other, task in self._hurting.items() if not task.done()}
            if number not in hurt_now and len(hurt_now) < len(self._workers) - 1:  # one is always left
                self._times += 1
                self._hurting[number] = asyncio.ensure_future(hurt(number))
                if self._fault == "rolling":
                    await self._hurting[number]
            await asyncio.sleep(self._arguments.every)

    async def _close(self, number: int) -> None:
        self._wires[number].drop()

    async def _kill(self, number: int) -> None:
        await self._workers[number].end(signal.SIGKILL)
        await self._workers[number].start()

    async def _stop(self, number: int) -> None:
        self._workers[number].send(signal.SIGSTOP)
        await asyncio.sleep(self._rng.choice((0.5, _HANG_S)))
        if self._rng.random() < 0.5:
            self._workers[number].send(signal.SIGCONT)
        else:
            await self._kill(number)

    async def _roll(self, number: int) -> None:
        worker = self._workers[number]
        code = await worker.end()
        self._complain_if(code != 0, f"a worker ended with {code} after SIGTERM")
        await worker.start()

    def _complain_if(self, wrong: bool, complaint: str) -> None:
        if wrong:
            self._complaints.append(complaint)

    def _told(self) -> dict[str, Any]:
        for complaint, times in Counter(self._complaints).most_common(20):
            print(f"{self._fault}: {times} x {complaint}", flush=True)
        all_kinds = Tally()
        for tally in self._tallies.values():
            for name in ("streams", "resumed", "attempts", "errors", "mismatches"):
                setattr(all_kinds, name, getattr(all_kinds, name) + getattr(tally, name))
            for name, delays in tally.delays.items():
                all_kinds.delays[name] += delays
        kinds = {name: _summed_up(tally) for name, tally in (("all", all_kinds), *sorted(self._tallies.items()))}
        return {
            "fault": self._fault,
            "times": self._times,
            "bad": bool(self._complaints),
            "complaints": self._complaints[:20],
            "kinds": kinds,
        }


def _summed_up(tally: Tally) -> dict[str, Any]:
    delays = {name: _figures(values) for name, values in tally.delays.items()}
    return {**asdict(tally), "delays": delays}


def _figures(values: Sequence[float]) -> dict[str, float] | None:
    found = percentiles(values)
    return None if found is None else {**found, "max": max(values)}


async def _connected(address: str, stack: AsyncExitStack) -> Stub:
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
    return inference_pb2_grpc.InferenceServiceStub(channel)


def _difference(heard: Heard, expected: Heard) -> str:
    """Name the first field that differs."""
    ours, theirs = heard.answer, expected.answer
    for name in ours.DESCRIPTOR.fields_by_name:
        our, their = getattr(ours, name), getattr(theirs, name)
        if our != their:
            return f"after {heard.attempts} workers, {name} is not its twin's: {our!s:.2000}, not {their!s:.2000}"
    return "differs"


if __name__ == "__main__":
    main()
