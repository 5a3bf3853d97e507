"""Where the time of a decoding step goes in the Transformers backend's engine on CPU, and what bounds it.

For each number of streams these take turns: a step; its products alone, one after the other, with nothing between them;
and a sum over a large buffer, which is how fast the machine reads at that moment. What the products alone reach of the
memory's bandwidth, and of the multiplications that the machine can do, is what bounds a step; what a step takes longer
than they do is the rest of it. Figures are medians and quartiles of turns. How a step's time divides among its parts is
told by a clock around each of them.

    python -m benchmarks profile [--size 100M] [--streams 1 8 32] [--turns 40] [--threads 4] [--quick]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from backends.transformers import fused
from backends.transformers.assembly import build_engine
from backends.transformers.config import TransformersConfig
from backends.transformers.engine import Engine
from backends.transformers.fused import FusedLayer
from backends.transformers.linear import PackedLinear
from backends.types import GenerationRequest, Sampling
from benchmarks import ceiling
from benchmarks.checkpoint import PROMPT_IDS, SHAPES, write_checkpoint
from benchmarks.result import RESULTS, save, table

_PROMPT = 64
_STEPS_A_TURN = 5
_PROFILED_STEPS = 20
_BUFFER_BYTES = 2**29
_PARTS: dict[str, list[tuple[Any, str]]] = {
    "products": [(PackedLinear, "forward"), (PackedLinear, "plus")],
    "attention, with its keys and values": [(fused, "attend")],
    "norms and gates": [(fused, "_normalized"), (fused, "_gated")],
}
"""Functions, by their owner's attribute."""
_REST = "all else"


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="100M")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="the tiny shape, a stream, two turns: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.streams, arguments.turns, arguments.threads = "tiny", [1], 2, 1
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), arguments.size)
        engine = _engine(folder, arguments.threads, max(arguments.streams))
        peak = ceiling.flops_per_s("cpu", scale=8 if arguments.quick else 1)
        with torch.inference_mode():
            results = [_measure(engine, streams, arguments.turns) for streams in arguments.streams]
    report = {"settings": vars(arguments), "flops_per_s": peak, "results": results}
    print(markdown(report))
    print(f"\nwritten to {save('profile', report, arguments.out)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a saved result."""
    return "\n\n".join([_bounds(report), _shares(report)])


def _engine(folder: str, threads: int, slots: int) -> Engine:
    torch.set_num_threads(threads)
    config = TransformersConfig(
        checkpoint=folder, device="cpu", max_concurrency=slots, num_threads=threads, cache_gib=1.0
    )
    engine, _, _ = build_engine(config)
    assert isinstance(engine, Engine)
    return engine


def _measure(engine: Engine, streams: int, turns: int) -> dict[str, Any]:
    """Take turns while all streams decode."""
    steps = turns * _STEPS_A_TURN + _PROFILED_STEPS + 1
    rng = random.Random(streams)
    for ticket in range(streams):
        prompt = tuple(rng.choices(PROMPT_IDS, k=_PROMPT))
        engine.add(
            ticket, GenerationRequest(prompt=prompt, max_tokens=steps + 1, sampling=Sampling(seed=0, temperature=0.0))
        )
    while sum(len(emission.delta.token_ids) for emission in engine.step() if emission.delta) < streams:
        pass
    products, weights = _products(engine, streams)
    buffer = torch.ones(_BUFFER_BYTES // 4)
    taken: dict[str, list[float]] = {"step": [], "products": [], "sum": []}
    for _ in range(turns):
        taken["step"].append(_seconds(engine.step))
        taken["products"].append(_seconds(products))
        taken["sum"].append(_seconds(buffer.sum, 1))
    shares = _profiled(engine)
    for ticket in range(streams):
        engine.cancel(ticket)
    times = {f"{name}_s": values for name, values in taken.items()}
    return {"streams": streams, "weights": weights, **times, "shares": shares}


def _seconds(work: Callable[[], Any], times: int = _STEPS_A_TURN) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def _products(engine: Engine, rows: int) -> tuple[Callable[[], None], int]:
    """Give what multiplies as a step does, and nothing else, and the number of weights that it reads."""
    model = engine._model  # noqa: SLF001 - its parts are what is measured
    hidden, wide = (torch.randn(rows, size) for size in (model.config.hidden_size, model.config.intermediate_size))
    pairs: list[tuple[PackedLinear, Tensor]] = [(model.lm_head, hidden)]
    for layer in model.model.layers[0].layers:
        assert isinstance(layer, FusedLayer), "this PyTorch lacks what fuses layers"
        attended = torch.randn(rows, layer.heads * layer.head_dim)
        pairs += [(layer.qkv, hidden), (layer.output, attended)]
        pairs += [(layer.gate_up, hidden), (layer.down, wide)]

    def multiply() -> None:
        for linear, x in pairs:
            linear(x)

    return multiply, sum(linear.out_features * x.shape[1] for linear, x in pairs)


def _profiled(engine: Engine) -> dict[str, float]:
    """Give the parts of a step's time, in [0, 1]; medians of turns."""
    with ExitStack() as stack:
        taken = {name: stack.enter_context(_clocked(functions)) for name, functions in _PARTS.items()}
        turns: dict[str, list[float]] = {name: [] for name in (*_PARTS, _REST)}
        for _ in range(_PROFILED_STEPS):
            for times in taken.values():
                times.clear()
            whole = _seconds(engine.step, 1)
            for name, times in taken.items():
                turns[name].append(sum(times) / whole)
            turns[_REST].append(1 - sum(turns[name][-1] for name in _PARTS))
    return {name: statistics.median(shares) for name, shares in turns.items()}


@contextmanager
def _clocked(functions: Sequence[tuple[Any, str]]) -> Iterator[list[float]]:
    """Collect what each call of some functions takes, in seconds."""
    times: list[float] = []

    def clocked(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **named)
            times.append(time.perf_counter() - started)
            return result

        return call

    with ExitStack() as stack:
        for owner, name in functions:
            stack.enter_context(patch.object(owner, name, clocked(getattr(owner, name))))
        yield times


def _bounds(report: Mapping[str, Any]) -> str:
    header = [
        "streams",
        "a step, ms",
        "its products alone, ms",
        "of the step",
        "they read, GB/s",
        "of what a sum reads",
    ]
    rows = []
    for result in report["results"]:
        steps, products, sums = (result[f"{name}_s"] for name in ("step", "products", "sum"))
        read = [4 * result["weights"] / seconds for seconds in products]
        multiplied = [2 * result["streams"] * result["weights"] / seconds for seconds in products]
        rows.append(
            [
                str(result["streams"]),
                *(_middle([1e3 * seconds for seconds in values], 1) for values in (steps, products)),
                _middle([part / whole for part, whole in zip(products, steps, strict=True)]),
                _middle([rate / 1e9 for rate in read], 1),
                _middle([rate * seconds / _BUFFER_BYTES for rate, seconds in zip(read, sums, strict=True)]),
                _middle([rate / 1e9 for rate in multiplied], 0),
                _middle([rate / report["flops_per_s"] for rate in multiplied]),
            ]
        )
    return table([*header, "they multiply, GFLOP/s", "of what a large product does"], rows)


def _middle(values: list[float], digits: int = 2) -> str:
    """Write the median with the quartiles: single turns say what others do on the machine."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _shares(report: Mapping[str, Any]) -> str:
    names = (*_PARTS, _REST)
    rows = [[str(r["streams"]), *(f"{r['shares'][name]:.1%}" for name in names)] for r in report["results"]]
    return table(["streams", *(f"{name}, of the step" for name in names)], rows)


if __name__ == "__main__":
    main()
