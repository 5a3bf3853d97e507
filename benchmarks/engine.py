"""The Transformers backend's engine against others, on the same random weights, and against what the machine can do.

Each contender is a process of its own; they take turns in each repeat, so that a ratio compares one turn with the next;
so does the measurement of the memory's bandwidth, which a virtual machine shares with others.
`sequential` and `static` are stock `model.generate`, `manager` is transformers' ContinuousBatchingManager, `llama.cpp`
its batched decode in float32 (with `make peers`; on CPU only). Workloads, answered
greedily, with new prompts in each repeat:

    N streams        N prompts of --prompt tokens at once, --tokens each
    long prompts     8 prompts of 512 tokens at once, 32 each
    mixed            32 requests of mixed lengths at once (`workload.mixed`)
    arrivals         48 requests of mixed lengths, arriving at random, at 0.7 of the engine's rate in `mixed`
    64 streams, 1000 in, 1000 out    on a GPU only
    prefix           a prompt of 2,000 tokens and 16 more, then the same prefix with 16 others, nothing else running

    python -m benchmarks.engine [--size 100M] [--streams 1 8 32 128] [--repeats 3] [--trace FILE] [--quick]
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import ceiling
from benchmarks.checkpoint import PROMPT_IDS, SHAPES, write_checkpoint
from benchmarks.contender import Contender, ContenderError
from benchmarks.peers import PYTHON, convert
from benchmarks.result import RESULTS, save, spread, table
from benchmarks.workload import Request, mixed, renewed, together

OURS = "paddock"
_ALL = (OURS, "static", "sequential", "manager", "llama.cpp")
_SEQUENTIAL = 4
"""Requests of a sequential turn: its rate doesn't depend on how many there are."""
_LOAD = 0.7
_LARGE = "64 streams, 1000 in, 1000 out"
_PREFIX, _SUFFIX = 2000, 16


@dataclass(frozen=True)
class _Cell:
    """A row of the table: a workload, and who runs it."""

    name: str
    requests: list[Request]
    contenders: tuple[str, ...] = _ALL
    streams: int | None = None


def main() -> None:
    """Measure, print, save."""
    arguments = _arguments()
    for size in arguments.size:
        report = {"settings": vars(arguments), "result": _measure(size, arguments)}
        print(markdown(report))
        print(f"\nwritten to {save(file_name(size, arguments.device), report, arguments.out)}\n")


def file_name(size: str, device: str) -> str:
    """Tell what a size's result is saved as."""
    return f"engine-{size}" if device == "cpu" else f"engine-{device}-{size}"


def markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a saved result."""
    return "\n\n".join(_parts(report["result"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", choices=SHAPES, default=["100M"])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt of the N streams")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each answer of the N streams")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--against", nargs="*", choices=_ALL[1:], default=_ALL[1:])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which a turn is given up")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the backend, as JSON")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write the last turn of `mixed` for Perfetto")
    parser.add_argument("--quick", action="store_true", help="the tiny shape, two streams, one repeat: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.streams, arguments.repeats, arguments.threads = ["tiny"], [1, 2], 1, 1
        arguments.prompt = arguments.tokens = 4
    if arguments.trace:
        arguments.trace = str(arguments.trace.resolve())
    return arguments


def _measure(size: str, arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    scale = 8 if arguments.quick else 1
    dtype = "bfloat16" if arguments.device == "cuda" else "float32"
    with tempfile.TemporaryDirectory() as folder:
        model = write_checkpoint(Path(folder), size, device=arguments.device, dtype=dtype)
        torch.set_num_threads(arguments.threads)
        peak = ceiling.flops_per_s(arguments.device, scale=scale)
        contenders = _contenders(Path(folder), arguments, model)
        try:
            cells = [_run(cell, contenders, arguments) for cell in _cells(arguments, scale)]
            cells.append(_run(_arrivals(cells[-1], scale), contenders, arguments))
            prefix = _prefix(contenders[OURS], arguments, scale)
        finally:
            for contender in contenders.values():
                contender.stop()
    for cell in cells:
        if cell["streams"] is not None:
            _set_bounds(cell, arguments.prompt + arguments.tokens / 2, model, peak)
    read = [turn["bytes_per_s"] for cell in cells for turn in cell["turns"][OURS]]
    ceilings = {"bytes_per_s": statistics.median(read) if read else math.nan, "flops_per_s": peak}
    return {"size": size, "model": model, "ceiling": ceilings, "cells": cells, "prefix": prefix}


def _set_bounds(cell: dict[str, Any], context: float, model: Mapping[str, float], peak: float) -> None:
    """Add to each of our turns what share of the bandwidth bound and of the roofline its decoding reached.

    A step of decoding is what takes `tpot_s`; what a turn spends on prompts is not held against it.
    """
    for turn in cell["turns"][OURS]:
        turn["bound"] = ceiling.bound(cell["streams"], context, model, turn["bytes_per_s"], peak)
        decoded_per_s = cell["streams"] / turn["tpot_s"]["p50"]
        turn["reached"] = {name: decoded_per_s / turn["bound"][name] for name in ("bandwidth", "roofline")}


def _contenders(folder: Path, arguments: argparse.Namespace, model: dict[str, float]) -> dict[str, Contender]:
    """Name the commands; each gets a cache that its largest workload fits, with as much again to spare."""
    each = max(arguments.prompt + arguments.tokens, 640)
    slots = max(*arguments.streams, 48)
    cache_tokens = max(slots * each, 64 * 2000 if arguments.device == "cuda" else 0) + 4096
    gib = max(0.25, 2 * cache_tokens * model["kv_bytes"] / 2**30)
    threads, device = str(arguments.threads), arguments.device
    module = [sys.executable, "-m"]
    generate = [*module, "benchmarks.contenders.generate", str(folder), threads, device]
    paddock = [*module, "benchmarks.contenders.paddock", str(folder), threads, str(slots), device, str(gib)]
    commands = {
        OURS: [*paddock, *arguments.set],
        "static": generate,
        "sequential": generate,
        "manager": [*module, "benchmarks.contenders.manager", str(folder), threads, device],
    }
    if "llama.cpp" in arguments.against and device == "cpu" and (file := convert(folder)):
        llama_cpp = [str(PYTHON), "-m", "benchmarks.contenders.llama_cpp", str(file)]
        commands["llama.cpp"] = [*llama_cpp, threads, str(slots), str(cache_tokens)]
    wanted = (OURS, *arguments.against)
    return {name: Contender(c, threads=arguments.threads) for name, c in commands.items() if name in wanted}


def _cells(arguments: argparse.Namespace, scale: int) -> list[_Cell]:
    cells = [
        _Cell(f"{n} stream" + "s" * (n > 1), together(n, arguments.prompt, arguments.tokens), streams=n)
        for n in arguments.streams
    ]
    if arguments.device == "cuda":
        cells.append(_Cell(_LARGE, together(64, 1000, 1000), (OURS,)))
    return [
        *cells,
        _Cell("long prompts", together(8, 512 // scale, 32 // scale)),
        _Cell("mixed", mixed(32, scale=scale), (OURS, "static", "manager", "llama.cpp")),
    ]


def _arrivals(mixed_cell: dict[str, Any], scale: int) -> _Cell:
    """Offer a share of what the engine just did; the others get the same arrivals."""
    turns = mixed_cell["turns"].get(OURS) or [{"seconds": math.inf}]
    rate = _LOAD * 32 / statistics.median(turn["seconds"] for turn in turns)
    return _Cell("arrivals", mixed(48, rate, scale=scale, seed=1), (OURS, "manager", "llama.cpp"))


def _run(cell: _Cell, contenders: dict[str, Contender], arguments: argparse.Namespace) -> dict[str, Any]:
    """Let the contenders take turns, after one that doesn't count; one that fails is out of this cell."""
    print(f"{cell.name} ...", file=sys.stderr, flush=True)
    taking_part = {name: contenders[name] for name in cell.contenders if name in contenders}
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in taking_part}
    failures: dict[str, str] = {}
    for repeat in range(-1, arguments.repeats):
        renewed_requests = renewed(cell.requests, 100 + repeat)
        for name, contender in taking_part.items():
            if name in failures:
                continue
            requests = renewed_requests[:_SEQUENTIAL] if name == "sequential" else renewed_requests
            if repeat < 0:
                requests = [replace(request, due_s=0.0, tokens=2) for request in requests]
            options: dict[str, Any] = {"sequential": name == "sequential"}
            if arguments.trace and cell.name == "mixed" and name == OURS:
                options["trace"] = arguments.trace
            try:
                result = contender.run(requests, arguments.limit, **options)
            except ContenderError as error:
                failures[name] = str(error)
                continue
            if name == OURS:
                result["bytes_per_s"] = ceiling.bytes_per_s(arguments.device, scale=8 if arguments.quick else 1)
            if repeat >= 0:
                turns[name].append(result)
    return {"name": cell.name, "streams": cell.streams, "turns": turns, "failures": failures, "ratios": _ratios(turns)}


def _ratios(turns: dict[str, list[dict[str, Any]]]) -> dict[str, list[float]]:
    """Ours over theirs in tokens/s, turn by turn."""
    ours = [turn["tokens_per_s"] for turn in turns[OURS]]
    return {
        name: [a / b["tokens_per_s"] for a, b in zip(ours, theirs, strict=False)]
        for name, theirs in turns.items()
        if name != OURS and ours and theirs
    }


def _prefix(contender: Contender, arguments: argparse.Namespace, scale: int) -> dict[str, Any]:
    rng = random.Random(0)
    cold, warm = list[float](), list[float]()
    try:
        for _ in range(arguments.repeats):
            prefix = rng.choices(PROMPT_IDS, k=_PREFIX // scale)
            for ttfts in (cold, warm):
                prompt = prefix + rng.choices(PROMPT_IDS, k=_SUFFIX)
                ttfts.append(contender.run([Request(0.0, prompt, 2)], arguments.limit)["ttft_s"]["p50"])
    except ContenderError as error:
        return {"failure": str(error)}
    return {"cold_s": cold, "warm_s": warm, "ratios": [w / c for c, w in zip(cold, warm, strict=True)]}


def _parts(result: dict[str, Any]) -> list[str]:
    ceilings = result["ceiling"]
    title = (
        f"**{result['size']}**: {result['model']['parameters'] / 1e6:.1f} million parameters. The machine reads "
        f"{ceilings['bytes_per_s'] / 1e9:.1f} GB/s and multiplies {ceilings['flops_per_s'] / 1e9:.0f} GFLOP/s."
    )
    header = ["workload", "contender", "tokens/s", "Paddock's ratio", "TTFT p50/p95/p99, s", "TPOT p50/p95/p99, ms"]
    rows = [row for cell in result["cells"] for row in _rows(cell)]
    main_table = table([*header, "steps/s", "outside model", "peak GiB"], rows)
    return [title, main_table, table(["a prefix of 2,000 tokens", "seconds, or ratio"], _prefix_rows(result["prefix"]))]


def _rows(cell: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, turns in cell["turns"].items():
        if name in cell["failures"]:
            rows.append([cell["name"], name, f"failed: {cell['failures'][name]}", *[""] * 6])
            continue
        ratios = cell["ratios"].get(name)
        cells = [spread([t["tokens_per_s"] for t in turns], 0), spread(ratios) if ratios else ""]
        cells += [percentile_text(turns, "ttft_s", 1), percentile_text(turns, "tpot_s", 1e3)]
        cells += [f"{turns[-1]['steps_per_s']:.0f}", f"{_outside(turns):.1%}"] if name == OURS else ["", ""]
        rows.append([cell["name"], name, *cells, f"{turns[-1]['peak_bytes'] / 2**30:.2f}"])
    if bounded := [turn for turn in cell["turns"][OURS] if "bound" in turn]:
        bounds, reached = ([turn[key]["roofline"] for turn in bounded] for key in ("bound", "reached"))
        rows.append([cell["name"], "roofline", spread(bounds, 0), spread(reached), *[""] * 5])
    return rows


def _outside(turns: Sequence[dict[str, Any]]) -> float:
    return float(statistics.median(turn["outside_share"] for turn in turns))


def percentile_text(turns: Sequence[dict[str, Any]], key: str, factor: float) -> str:
    """Write the medians over turns of p50, p95 and p99."""
    told = [turn[key] for turn in turns if turn[key]]
    if not told:
        return ""
    return " / ".join(f"{statistics.median(t[p] for t in told) * factor:.3g}" for p in ("p50", "p95", "p99"))


def _prefix_rows(prefix: dict[str, Any]) -> list[list[str]]:
    if "failure" in prefix:
        return [["failed", prefix["failure"]]]
    names = {"cold_s": "cold, TTFT", "warm_s": "repeated, TTFT", "ratios": "ratio"}
    return [[name, spread(prefix[key], 3)] for key, name in names.items()]


if __name__ == "__main__":
    main()
