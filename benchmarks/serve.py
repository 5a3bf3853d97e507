"""Whole servers, asked by separate client processes, with the same random weights behind each.

Paddock is asked through gRPC; `transformers serve`, with and without continuous batching, llama-cpp-python's server and
llama.cpp's own through HTTP (with `make peers`; the last only where it could be built). The servers take turns. In each
turn every stream asks --answers times, for --tokens on average, and again as soon as it has its answer.

What counts is when all streams are at work and out of step: from when the last of them has its first answer until the
first of them has its last one. Servers that are too slow for that within --limit seconds are judged by the last two
thirds of these. Tokens/s and requests/s are what arrived within the window; TTFT and TPOT are of the requests whose
first token did, from when they were sent.

    python -m benchmarks.serve [--size 100M] [--streams 1 8 32 128] [--answers 6] [--limit 30] [--repeats 2] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.checkpoint import SHAPES, write_checkpoint
from benchmarks.client import Answer
from benchmarks.contender import ROOT
from benchmarks.contenders.child import peak_bytes
from benchmarks.engine import percentile_text
from benchmarks.peers import FOLDER, convert
from benchmarks.result import RESULTS, save, spread, table
from benchmarks.server import (
    Server,
    ServerError,
    http,
    llama_cpp_server,
    llama_server,
    paddock,
    paddock_checkpoint,
    transformers_serve,
)
from benchmarks.workload import percentiles

OURS = "paddock"
_PEERS = ("transformers", "transformers, batching", "llama-cpp-python", "llama-server")
_PROCESSES = 2
"""Of clients: one would itself be a limit."""
_START_S = 2.5
"""From starting a client process to its first request."""

Start = Callable[[], AbstractContextManager[Server]]


def main() -> None:
    """Measure, print, save."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), arguments.size)
        results = _measure(_servers(Path(folder), arguments), arguments)
    report = {"settings": vars(arguments), "results": results}
    print(markdown(report))
    print(f"\nwritten to {save('serve', report, arguments.out)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the table of a saved result."""
    header = ["streams", "server", "tokens/s", "Paddock's ratio", "requests/s", "TTFT p50/p95/p99, s"]
    rows = [row for result in report["results"] for row in _rows(result)]
    return table([*header, "TPOT p50/p95/p99, ms", "peak GiB"], rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="100M")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an answer, on average")
    parser.add_argument("--answers", type=int, default=6, help="of each stream, the first not counted")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of a turn")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--against", nargs="*", choices=_PEERS, default=_PEERS)
    parser.add_argument("--quick", action="store_true", help="the tiny shape, two streams, three answers: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.streams, arguments.repeats, arguments.threads = "tiny", [2], 1, 1
        arguments.answers, arguments.tokens = 3, 8
    return arguments


def _servers(folder: Path, arguments: argparse.Namespace) -> dict[str, Start]:
    threads, slots = arguments.threads, max(arguments.streams)
    servers: dict[str, Start] = {OURS: partial(paddock, *paddock_checkpoint(folder, threads, slots))}
    file = convert(folder) if arguments.against else None
    if file is None:
        return servers
    commands = {
        "transformers": (*transformers_serve(folder, threads, slots, batching=False), str(folder)),
        "transformers, batching": (*transformers_serve(folder, threads, slots, batching=True), str(folder)),
        "llama-cpp-python": (*llama_cpp_server(file, threads), str(file)),
    }
    if (FOLDER / "llama-server").exists():
        tokens = arguments.prompt + 2 * arguments.tokens
        commands["llama-server"] = (*llama_server(file, threads, slots, tokens), "bench")
    for name, (command, path, model) in commands.items():
        if name in arguments.against:
            servers[name] = partial(http, partial(_with_port, command), path, model)
    return servers


def _with_port(command: list[str], port: int) -> list[str]:
    return [*command, "--port", str(port)]


def _measure(starts: Mapping[str, Start], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Let the servers take turns; all of them stand ready throughout, at rest but for one."""
    results = [_result(streams) for streams in arguments.streams]
    running: dict[str, tuple[Server, ExitStack]] = {}
    try:
        for result in results:
            for name in [name for _ in range(arguments.repeats) for name in starts]:
                print(f"{result['streams']} streams, {name} ...", file=sys.stderr, flush=True)
                try:
                    if name not in running:
                        running[name] = _started(starts[name])
                    turn = _turn(name, running[name][0], result["streams"], arguments)
                    result["turns"].setdefault(name, []).append(turn)
                    at_rest = running[name][0].settle()
                except (ServerError, OSError, subprocess.SubprocessError) as error:
                    result["failures"][name] = f"{type(error).__name__}: {error}"[:200]
                    at_rest = False
                if not at_rest and name in running:  # a new one for the next turn
                    running.pop(name)[1].close()
            result["ratios"] = _ratios(result["turns"])
    finally:
        for _, stack in running.values():
            stack.close()
    return results


def _result(streams: int) -> dict[str, Any]:
    return {"streams": streams, "turns": {}, "failures": {}, "ratios": {}}


def _started(start: Start) -> tuple[Server, ExitStack]:
    with ExitStack() as stack:
        server = stack.enter_context(start())
        return server, stack.pop_all()
    raise AssertionError("an exit stack swallows nothing")


def _turn(name: str, server: Server, streams: int, arguments: argparse.Namespace) -> dict[str, Any]:
    start = time.monotonic() + _START_S
    until = start + arguments.limit
    kind = "grpc" if name == OURS else "http"
    processes, cpu = [], server.cpu_s()
    for number in range(min(_PROCESSES, streams)):
        share = (streams + number) // min(_PROCESSES, streams)
        numbers = [share, arguments.prompt, arguments.tokens, arguments.answers]
        numbers += [start, until, time.monotonic_ns() % 10**6 + number]
        command = [sys.executable, "-m", "benchmarks.client", kind, server.address, server.model, *map(str, numbers)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
    try:
        outputs = [process.communicate(timeout=_START_S + arguments.limit + 30.0)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    answers = [Answer(**answer) for output in outputs for answer in json.loads(output)]
    window = steady(answers, start, until)
    return {
        **figures(answers, *window),
        "window_s": window[1] - window[0],
        "cpu_s": server.cpu_s() - cpu,
        "peak_bytes": peak_bytes(server.pid),
    }


def steady(answers: list[Answer], start: float, until: float) -> tuple[float, float]:
    """Give the window in which all streams are at work, and out of step.

    Raises:
        ServerError: there is none.
    """
    ends: dict[int, list[float]] = {}
    for answer in answers:
        ends.setdefault(answer.stream, []).append(answer.tokens[-1] if answer.ended and answer.tokens else until)
    slow = start + (until - start) / 3
    window = min(slow, max(min(times) for times in ends.values())), min(max(times) for times in ends.values())
    if window[0] >= window[1]:
        raise ServerError("some streams had all their answers before others had one")
    return window


def figures(answers: list[Answer], start: float, until: float) -> dict[str, Any]:
    """Sum up what arrived within a window.

    Raises:
        ServerError: requests failed, or ended with too few tokens.
    """
    if failed := [answer.error for answer in answers if answer.error]:
        raise ServerError(f"{len(failed)} of {len(answers)} requests failed: {failed[0]}")
    if short := [answer for answer in answers if answer.ended and len(answer.tokens) != answer.asked]:
        raise ServerError(f"{len(short[0].tokens)} tokens instead of {short[0].asked}")
    seconds = until - start
    begun = [answer for answer in answers if answer.tokens and start <= answer.tokens[0] < until]
    tpots = [(a.tokens[-1] - a.tokens[0]) / (len(a.tokens) - 1) for a in begun if len(a.tokens) > 1]
    ended = [answer for answer in answers if answer.ended and start <= answer.tokens[-1] < until]
    return {
        "tokens_per_s": sum(start <= moment < until for answer in answers for moment in answer.tokens) / seconds,
        "requests_per_s": len(ended) / seconds,
        "ttft_s": percentiles([answer.tokens[0] - answer.sent for answer in begun]),
        "tpot_s": percentiles(tpots),
    }


def _ratios(turns: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[float]]:
    """Ours over theirs in tokens/s, turn by turn."""
    ours = turns.get(OURS, [])
    return {
        name: [a["tokens_per_s"] / b["tokens_per_s"] for a, b in zip(ours, theirs, strict=False) if b["tokens_per_s"]]
        for name, theirs in turns.items()
        if name != OURS
    }


def _rows(result: dict[str, Any]) -> list[list[str]]:
    rows = [
        [str(result["streams"]), name, f"failed: {reason}", *[""] * 5] for name, reason in result["failures"].items()
    ]
    for name, turns in result["turns"].items():
        ratios = result["ratios"].get(name)
        cells = [spread([t["tokens_per_s"] for t in turns], 0), spread(ratios) if ratios else ""]
        cells += [spread([t["requests_per_s"] for t in turns], 1)]
        cells += [percentile_text(turns, "ttft_s", 1), percentile_text(turns, "tpot_s", 1e3)]
        rows.append([str(result["streams"]), name, *cells, f"{turns[-1]['peak_bytes'] / 2**30:.2f}"])
    return rows


if __name__ == "__main__":
    main()
