"""What is left of a server that is asked for more than it can do, with the simulator as the model.

Capacity is what it does for as many clients as it takes at once, each of which asks again as soon as it has its answer.
Then requests arrive as a Poisson process, at so many times the capacity, whether or not others are answered; each has
a deadline, and nobody tries again. A request is good if all of its answer comes before its deadline; goodput is the
tokens of good requests per second, by when they were sent, the first and the last second left out. One heavy caller
asks for all that the light ones leave; each of these asks for half of a fair share. Latencies are of admitted requests,
from sending.

Two targets: a worker by itself, and a gateway in front of two workers that have half of the slots each. A request that
would have to wait longer than `--max-wait` for its turn is refused: the rest keep the latency that they have alone, but
for as long.

    python -m benchmarks overload [--slots 8] [--tokens 100] [--loads 1 2 10] [--seconds 30] [--deadline 6] [--quick]
    python -m benchmarks overload --loads 10 --slots 32 --spread 0.5 --max-wait 0.5
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from benchmarks.client import METHOD
from benchmarks.result import RESULTS, save, table
from benchmarks.server import Server, paddock
from benchmarks.wire import jain
from benchmarks.workload import percentiles
from paddock.v1 import generate_pb2
from services.identity.caller import line
from services.identity.key import new_key

_DETAILS = "grpc-status-details-bin"
_EDGE_S = 1.0
"""At the beginning and at the end of a load: what arrives then is not counted."""


@dataclass
class Outcome:
    """One request.

    Attributes:
        sent: seconds since the load began.
        wanted: tokens that were asked for.
        first_s: until its first token.
        last_s: until its end.
        code: of its status.
        reason: of a refusal.
        retry_s: that a refusal told.
    """

    caller: str
    sent: float
    wanted: int
    tokens: int = 0
    first_s: float | None = None
    last_s: float | None = None
    code: str = "OK"
    reason: str = ""
    retry_s: float | None = None


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=100, help="of each answer")
    parser.add_argument("--spread", type=float, default=0.0, help="part of that by which lengths vary, drawn evenly")
    parser.add_argument("--step", type=float, default=0.02, help="seconds between a stream's tokens")
    parser.add_argument("--loads", type=float, nargs="+", default=[1, 2, 10], help="times the capacity")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each load")
    parser.add_argument("--deadline", type=float, default=6.0, help="seconds; an answer takes tokens x step")
    parser.add_argument("--max-wait", type=float, default=60.0, help="seconds; the models' max_wait_s")
    parser.add_argument("--light", type=int, default=3, help="callers beside the heavy one")
    parser.add_argument("--targets", nargs="+", choices=("worker", "gateway"), default=["worker", "gateway"])
    parser.add_argument("--quick", action="store_true", help="two slots, ten tokens, a second: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.slots, arguments.tokens, arguments.seconds, arguments.loads = 2, 10, 1.0, [2.0]
    results = []
    for target in arguments.targets:
        with tempfile.TemporaryDirectory() as folder, _serving(target, arguments, Path(folder)) as (server, keys):
            results.append(asyncio.run(_measure(target, server, keys, arguments)))
    report = {"settings": vars(arguments), "results": results}
    print(markdown(report))
    name = "overload-short-wait" if arguments.max_wait < arguments.deadline else "overload"
    print(f"\nwritten to {save(name, report, arguments.out)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a saved result."""
    return "\n\n".join(_tables(result, report["settings"]) for result in report["results"])


def _tables(result: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    capacity = result["capacity"]
    loads = table(
        [
            "load",
            "goodput, tokens/s",
            "of capacity",
            "good/admitted/sent",
            "first token p50/p95/p99, s",
            "all of it, s",
        ],
        [_load_row(load, capacity) for load in result["loads"]],
    )
    callers = table(
        [
            "load",
            "caller",
            "asks for, of capacity",
            "has, of capacity",
            "good/sent",
            "Jain's index of the light ones' good/sent",
        ],
        [row for load in result["loads"] for row in _caller_rows(load, capacity)],
    )
    refusals = table(
        ["load", "refused", "refused after p50/p99, s", "told to return after p50/p95/p99, s"],
        [_refusal_row(load) for load in result["loads"]],
    )
    what = f"{settings['slots']} slots, answers of {settings['tokens']} tokens, deadline {settings['deadline']:g} s"
    if settings.get("max_wait", settings["deadline"]) < settings["deadline"]:
        what += f", waits of {settings['max_wait']:g} s at most"
    alone = (
        f"**{result['target']}** ({what}): {capacity:.0f} tokens/s, answers in {_three(result['alone_s'])} s, alone."
    )
    return "\n\n".join((alone, loads, callers, refusals))


def _load_row(load: Mapping[str, Any], capacity: float) -> list[str]:
    return [
        f"{load['times']:g}x",
        f"{load['goodput']:.0f}",
        f"{load['goodput'] / capacity:.1%}",
        f"{load['good']}/{load['admitted']}/{load['sent']}",
        _three(load["first_s"]),
        _three(load["last_s"]),
    ]


def _caller_rows(load: Mapping[str, Any], capacity: float) -> Iterator[list[str]]:
    callers = load["callers"].items()
    light = [caller["good"] / caller["sent"] for name, caller in callers if name != "heavy" and caller["sent"]]
    for name, caller in callers:
        yield [
            f"{load['times']:g}x",
            name,
            f"{caller['asked'] / capacity:.1%}",
            f"{caller['goodput'] / capacity:.1%}",
            f"{caller['good']}/{caller['sent']}",
            "" if name == "heavy" or not any(light) else f"{jain(light):.3f}",
        ]


def _refusal_row(load: Mapping[str, Any]) -> list[str]:
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(load["refused"].items()))
    return [f"{load['times']:g}x", counts or "none", _three(load["refused_s"]), _three(load["retry_s"])]


def _three(found: Mapping[str, float] | None) -> str:
    return "-" if found is None else " / ".join(f"{found[p]:.2f}" for p in ("p50", "p95", "p99"))


@contextmanager
def _serving(target: str, arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """Run a target; gives it, and the keys of its callers by their names."""
    keys = {name: new_key() for name in ("heavy", *(f"light {n}" for n in range(1, arguments.light + 1)))}
    entries = [line(name.replace(" ", "-"), key, ()) for name, key in keys.items()]
    (folder / "keys.jsonl").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    identified = f"server.api_keys={folder / 'keys.jsonl'}"
    with ExitStack() as stack:
        if target == "worker":
            waits = f"models.simulator.max_wait_s={arguments.max_wait}"
            yield stack.enter_context(_worker(arguments.slots, arguments.step, identified, waits)), keys
            return
        workers = [stack.enter_context(_worker(arguments.slots // 2, arguments.step)) for _ in range(2)]
        upstreams = ",".join(f'{{address:"{worker.address}"}}' for worker in workers)
        pools = f"routing.models.custom.pools=[{{name:main,upstreams:[{upstreams}]}}]"
        waits = f"routing.models.custom.max_wait_s={arguments.max_wait}"
        routed = ("model=[]", "routing=custom", "routing.models.custom.name=simulator", pools, waits)
        yield stack.enter_context(paddock(*routed, identified)), keys


@contextmanager
def _worker(slots: int, step: float, *settings: str) -> Iterator[Server]:
    backend = "models.simulator.backend"
    pace = [f"{backend}.time_per_token_s={step}", f"{backend}.max_concurrency={max(1, slots)}"]
    with paddock("model=simulator", *pace, *settings) as server:
        yield server


async def _measure(
    target: str, server: Server, keys: Mapping[str, str], arguments: argparse.Namespace
) -> dict[str, Any]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        clients = {name: _Client(name, channel, key, arguments) for name, key in keys.items()}
        alone = await _alone(clients["heavy"], arguments)
        capacity = sum(outcome.tokens for outcome in alone) / arguments.seconds
        loads = [await _load(times, capacity, clients, arguments) for times in arguments.loads]
    alone_s = percentiles([outcome.last_s for outcome in alone if outcome.last_s is not None])
    return {"target": target, "capacity": capacity, "alone_s": alone_s, "loads": loads}


class _Client:
    """One caller's."""

    def __init__(self, name: str, channel: grpc.aio.Channel, key: str, arguments: argparse.Namespace) -> None:
        self._name = name
        self._metadata = (("authorization", f"Bearer {key}"),)
        self._method: Any = channel.unary_stream(METHOD)
        self._request = generate_pb2.GenerateRequest(model="simulator", prompt="x")
        self._request.stop.ignore_eos = True
        self._request.sampling.temperature = 0
        self._lengths = [round(arguments.tokens * (1 + sign * arguments.spread)) for sign in (-1, 1)]
        self._rng = random.Random(name)

    async def ask(self, began: float, deadline_s: float | None) -> Outcome:
        """Make a request, and read its answer."""
        self._request.max_tokens = self._rng.randint(*self._lengths)
        sent = time.monotonic()
        outcome = Outcome(self._name, sent - began, self._request.max_tokens)
        body = self._request.SerializeToString()
        try:
            async for message in self._method(body, timeout=deadline_s, metadata=self._metadata):
                for event in generate_pb2.GenerateStreamResponse.FromString(message).events:
                    outcome.tokens += len(event.token_delta.tokens)
                if outcome.tokens and outcome.first_s is None:
                    outcome.first_s = time.monotonic() - sent
        except grpc.aio.AioRpcError as error:
            outcome.code = error.code().name
            outcome.reason, outcome.retry_s = _told(error)
        outcome.last_s = time.monotonic() - sent
        return outcome


def _told(error: grpc.aio.AioRpcError) -> tuple[str, float | None]:
    """Read why a request was refused, and when to return."""
    reason, retry_s = error.code().name, None
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    reason = info.reason
                elif detail.Unpack(retry):
                    retry_s = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, retry_s


async def _alone(client: _Client, arguments: argparse.Namespace) -> list[Outcome]:
    """Keep the server busy with as many requests as it takes at once, and two that wait; give those that count."""
    outcomes: list[Outcome] = []
    began = time.monotonic()

    async def ask_again() -> None:
        while time.monotonic() - began < arguments.seconds + 2 * _EDGE_S:
            outcomes.append(await client.ask(began, None))
            await asyncio.sleep(outcomes[-1].retry_s or 0.0)

    await asyncio.gather(*(ask_again() for _ in range(arguments.slots + 2)))
    ended = [(outcome, outcome.sent + (outcome.last_s or 0.0)) for outcome in outcomes if outcome.code == "OK"]
    return [outcome for outcome, at in ended if _EDGE_S <= at < _EDGE_S + arguments.seconds]


async def _load(
    times: float, capacity: float, clients: Mapping[str, _Client], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Let requests arrive, and sum up what becomes of them."""
    rng, began, tasks = random.Random(1), time.monotonic(), []
    per_s = capacity / arguments.tokens
    fair = per_s / len(clients)
    rates = dict.fromkeys(clients, fair / 2 * min(times, 1.0))
    rates["heavy"] = times * per_s - sum(rate for name, rate in rates.items() if name != "heavy")
    names, weights, at = list(rates), list(rates.values()), 0.0
    while (at := at + rng.expovariate(sum(weights))) < arguments.seconds + 2 * _EDGE_S:
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        (name,) = rng.choices(names, weights)
        tasks.append(asyncio.ensure_future(clients[name].ask(began, arguments.deadline)))
    outcomes = [o for o in await asyncio.gather(*tasks) if _EDGE_S <= o.sent < _EDGE_S + arguments.seconds]
    return {"times": times, **_summary(outcomes, arguments), "callers": _by_caller(outcomes, rates, arguments)}


def _summary(outcomes: Sequence[Outcome], arguments: argparse.Namespace) -> dict[str, Any]:
    admitted = [outcome for outcome in outcomes if outcome.first_s is not None]
    refused = [outcome for outcome in outcomes if outcome.first_s is None]
    good = [outcome for outcome in admitted if _is_good(outcome)]
    return {
        "sent": len(outcomes),
        "admitted": len(admitted),
        "good": len(good),
        "goodput": sum(outcome.tokens for outcome in good) / arguments.seconds,
        "first_s": percentiles([outcome.first_s for outcome in admitted if outcome.first_s is not None]),
        "last_s": percentiles([outcome.last_s for outcome in good if outcome.last_s is not None]),
        "refused": Counter(outcome.reason for outcome in refused),
        "refused_s": percentiles([outcome.last_s for outcome in refused if outcome.last_s is not None]),
        "retry_s": percentiles([outcome.retry_s for outcome in refused if outcome.retry_s is not None]),
    }


def _by_caller(
    outcomes: Sequence[Outcome], rates: Mapping[str, float], arguments: argparse.Namespace
) -> dict[str, dict[str, float]]:
    told = {}
    for name, rate in rates.items():
        own = [outcome for outcome in outcomes if outcome.caller == name]
        good = [outcome for outcome in own if _is_good(outcome)]
        goodput = sum(outcome.tokens for outcome in good) / arguments.seconds
        told[name] = {"asked": rate * arguments.tokens, "goodput": goodput, "good": len(good), "sent": len(own)}
    return told


def _is_good(outcome: Outcome) -> bool:
    return outcome.code == "OK" and outcome.tokens == outcome.wanted


if __name__ == "__main__":
    main()
