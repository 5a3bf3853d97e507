"""What a gateway costs: CPU per token and added latency, beside other gateways, and with and without telemetry.

Streams from a stand-in server that stamps each message with the time, directly and through each gateway: one process
each, in turn, in one run. Added latency is the client's, less that of the direct way, percentile by percentile: of the
first message, from the request, and of every message, from its stamp. CPU is user and system time of the gateway's
process and those it started; tokens/s a core is what that CPU would relay if it had one core to itself.

Scenes: `alone`, one short stream after the other; `quiet`, few streams that begin together, a token a message; `busy`,
many of them; `gathered`, many streams whose messages have 16 tokens, as Paddock's workers write them under load;
`flood`, such as fast as the gateway takes them. The servers behind the HTTP gateways send as many events, each with as
many tokens.

    python -m benchmarks gateway [--seconds 6] [--repeats 3] [--pairs 8] [--scenes NAME ...] [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.proxy import GRPC, HTTP, gateway, proxy
from benchmarks.result import RESULTS, save, spread, table
from benchmarks.server import Server, ServerError, printing

_WARM_UP_S = 1.5


@dataclass(frozen=True)
class Scene:
    """So many streams, each with so many tokens a request and a message, and seconds between messages (0: at once)."""

    name: str
    streams: int
    tokens: int
    per_message: int
    interval: float


SCENES = (
    Scene("alone", 1, 5, 1, 0.02),
    Scene("quiet", 8, 100, 1, 0.02),
    Scene("busy", 64, 100, 1, 0.05),
    Scene("gathered", 256, 640, 16, 0.1),
    Scene("flood", 32, 3200, 16, 0.0),
)
_DIRECT = "direct"
_TELEMETRY = ("without telemetry", "with telemetry")


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--scenes", nargs="+", default=[scene.name for scene in SCENES], help="alone quiet busy gathered flood"
    )
    parser.add_argument("--only", nargs="+", default=[*GRPC, *HTTP], help="gateways")
    parser.add_argument("--pairs", type=int, default=8, help="turns with telemetry, and without")
    parser.add_argument("--quick", action="store_true", help="one second, one repeat: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.repeats, arguments.pairs = 1.0, 1, 2
    scenes = [_compare(scene, arguments) for scene in SCENES if scene.name in arguments.scenes]
    report = {"settings": vars(arguments), "scenes": scenes, "telemetry": _telemetry(arguments)}
    print(markdown(report))
    print(f"\nwritten to {save('gateway', report, arguments.out)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a saved result."""
    header = ["scene", "gateway", "messages/s", "tokens/s", "CPU us/message", "CPU us/token", "tokens/s a core"]
    rows = [row for scene in report["scenes"] for row in _rows(scene)]
    parts = [table([*header, "added to first, p50/p99, ms", "added to each, p50/p99, ms"], rows)]
    if report["telemetry"]:
        told = [
            [name, spread([turn["cpu_us_per_token"] for turn in report["telemetry"]["turns"][name]])]
            for name in _TELEMETRY
        ]
        parts.append(table(["Paddock, gathered", "CPU us/token"], told))
        parts.append(f"Telemetry's ratio, pair by pair: {spread(report['telemetry']['ratios'], 3)}.")
    return "\n\n".join(parts)


def _rows(scene: Mapping[str, Any]) -> Iterator[list[str]]:
    described = f"{scene['name']}: {scene['streams']} streams, {scene['per_message']} tokens a message, " + (
        f"one each {scene['interval'] * 1e3:.0f} ms" if scene["interval"] else "without pause"
    )
    for name, turns in scene["turns"].items():
        if isinstance(turns, str):
            yield [described, name, turns, *["-"] * 6]
            continue
        direct = scene["turns"][f"{_DIRECT}, {'http' if name in HTTP or name.endswith('http') else 'grpc'}"]
        has_cpu = turns[0]["cpu_us_per_token"] is not None
        yield [
            *(described, name),
            *(spread([turn[key] for turn in turns], 0) for key in ("messages_per_s", "tokens_per_s")),
            *(
                spread([turn[key] for turn in turns], 1) if has_cpu else "-"
                for key in ("cpu_us_per_message", "cpu_us_per_token")
            ),
            spread([1e6 / turn["cpu_us_per_token"] for turn in turns], 0) if has_cpu else "-",
            *(_added(turns, direct, key) if scene["interval"] else "-" for key in ("first_s", "age_s")),
        ]


def _added(turns: Sequence[Mapping[str, Any]], direct: Sequence[Mapping[str, Any]] | str, key: str) -> str:
    """Write what is added to the direct way's p50 and p99; of the direct way, all of it."""
    if isinstance(direct, str):
        return "-"
    told = []
    for name in ("p50", "p99"):
        values = [
            (turn[key][name] - (0.0 if turns is direct else base[key][name])) * 1e3
            for turn, base in zip(turns, direct, strict=False)
            if turn[key] and base[key]
        ]
        told.append(spread(values) if values else "-")
    return (" / ".join(told)) + (" in all" if turns is direct else "")


def _compare(scene: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    turns: dict[str, list[dict[str, Any]] | str] = {}
    for _ in range(arguments.repeats):
        for kind, names in (("grpc", GRPC), ("http", HTTP)):
            chosen = [name for name in names if name in arguments.only]
            if not chosen:
                continue
            with _origin(kind, scene) as origin:
                for name in (f"{_DIRECT}, {kind}", *chosen):
                    _take(turns, name, kind, origin, scene, arguments)
    return {**vars(scene), "turns": turns}


def _take(
    turns: dict[str, list[dict[str, Any]] | str],
    name: str,
    kind: str,
    origin: Server,
    scene: Scene,
    arguments: argparse.Namespace,
) -> None:
    """Measure one turn, unless the contender failed before."""
    so_far = turns.setdefault(name, [])
    if isinstance(so_far, str):
        return
    try:
        if name.startswith(_DIRECT):
            so_far.append(_measure(kind, origin, None, scene, arguments.seconds))
        else:
            with proxy(name, origin) as server:
                so_far.append(_measure(kind, server, server, scene, arguments.seconds))
    except ServerError as error:
        print(f"{scene.name}, {name}: {error}", file=sys.stderr)
        turns[name] = str(error)


def _telemetry(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure Paddock with and without telemetry, in pairs."""
    scene = next(scene for scene in SCENES if scene.name == "gathered")
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in _TELEMETRY}
    with _origin("grpc", scene) as origin:
        told = ["telemetry.metrics_address=127.0.0.1:0", f"telemetry.otlp_endpoint=http://{origin.address}"]
        for repeat in range(arguments.pairs):
            for name in _TELEMETRY if repeat % 2 else reversed(_TELEMETRY):
                with gateway(origin, *(told if name == _TELEMETRY[1] else [])) as server:
                    turns[name].append(_measure("grpc", server, server, scene, arguments.seconds))
    pairs = zip(*(turns[name] for name in _TELEMETRY), strict=True)
    return {"turns": turns, "ratios": [b["cpu_us_per_token"] / a["cpu_us_per_token"] for a, b in pairs]}


@contextmanager
def _origin(kind: str, scene: Scene) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.origin", kind, str(scene.per_message), str(scene.interval)]
    with printing(command) as server:
        yield server


def _measure(kind: str, address: Server, measured: Server | None, scene: Scene, seconds: float) -> dict[str, Any]:
    """Let clients read for a while, and give what they saw with the CPU that it took.

    Raises:
        ServerError: they saw errors, or nothing.
    """
    start = time.monotonic() + _WARM_UP_S + 1.0
    until = start + seconds
    told = [kind, address.address, str(scene.streams), str(scene.tokens), str(scene.per_message)]
    command = [sys.executable, "-m", "benchmarks.probe", *told, str(start), str(until)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        before = _cpu_at(measured, start)
        cpu = _cpu_at(measured, until) - before
        output, _ = client.communicate(timeout=60.0)
    seen: dict[str, Any] = json.loads(output)
    if seen["errors"] or not seen["messages"]:
        raise ServerError(f"{seen['errors']} errors: {seen['error'] or 'nothing came'}")
    return {
        **seen,
        "messages_per_s": seen["messages"] / seconds,
        "tokens_per_s": seen["tokens"] / seconds,
        "cpu_share": cpu / seconds,
        "cpu_us_per_message": cpu * 1e6 / seen["messages"] if measured else None,
        "cpu_us_per_token": cpu * 1e6 / seen["tokens"] if measured else None,
    }


def _cpu_at(server: Server | None, moment: float) -> float:
    time.sleep(max(0.0, moment - time.monotonic()))
    return 0.0 if server is None else server.cpu_s(children=True)


if __name__ == "__main__":
    main()
