"""The plots of docs/benchmarks.md: `python -m benchmarks.plot RESULTS FOLDER`, in the environment of the peers."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_COLORS = {
    "paddock": "#0b6e4f",
    "static": "#8d99ae",
    "sequential": "#c9ced6",
    "manager": "#e09f3e",
    "transformers": "#c9ced6",
    "transformers, batching": "#e09f3e",
    "llama.cpp": "#3d5a80",
    "llama-server": "#3d5a80",
    "llama-cpp-python": "#98c1d9",
    "bandwidth": "#b23a48",
    "compute": "#7b2d8b",
}
_STYLE = {
    "svg.hashsalt": "paddock",  # the same results give the same file
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def main() -> None:
    """Draw what there are results of."""
    results, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update(_STYLE)
    files = [results / f"engine-{size}.json" for size in ("10M", "100M", "500M")]
    sizes = [json.loads(file.read_text(encoding="utf-8"))["result"] for file in files if file.exists()]
    if sizes:
        _save(_throughput(sizes), folder / "throughput.svg")
        _save(_roofline(sizes), folder / "roofline.svg")
        _save(_latency(next((size for size in sizes if size["size"] == "100M"), sizes[0])), folder / "latency.svg")
    if (serve := results / "serve.json").exists():
        _save(_served(json.loads(serve.read_text(encoding="utf-8"))["results"]), folder / "serve.svg")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def _figure(count: int) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(5.2 * count, 3.6), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _throughput(sizes: Sequence[Mapping[str, Any]]) -> Figure:
    figure, axes = _figure(len(sizes))
    for axis, size in zip(axes, sizes, strict=True):
        _lines(axis, [(cell["streams"], cell["turns"]) for cell in size["cells"] if cell["streams"]])
        axis.set_title(f"{size['size']} parameters")
    return figure


def _served(results: Sequence[Mapping[str, Any]]) -> Figure:
    figure, (axis,) = _figure(1)
    _lines(axis, [(result["streams"], result["turns"]) for result in results])
    return figure


def _lines(axis: Any, cells: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Draw tokens/s against streams, the spread of the turns as a bar."""
    for name in dict.fromkeys(name for _, turns in cells for name in turns):
        points = [(streams, turns[name]) for streams, turns in cells if turns.get(name)]
        rates = [[turn["tokens_per_s"] for turn in turns] for _, turns in points]
        middle = [statistics.median(rate) for rate in rates]
        below = [m - min(rate) for m, rate in zip(middle, rates, strict=True)]
        above = [max(rate) - m for m, rate in zip(middle, rates, strict=True)]
        at = [streams for streams, _ in points]
        axis.errorbar(at, middle, [below, above], label=name, color=_COLORS.get(name), marker="o", ms=4, capsize=2)
    _logarithmic(axis, [streams for streams, _ in cells])


def _roofline(sizes: Sequence[Mapping[str, Any]]) -> Figure:
    figure, axes = _figure(len(sizes))
    for axis, size in zip(axes, sizes, strict=True):
        cells = [cell for cell in size["cells"] if cell["streams"]]
        streams = [cell["streams"] for cell in cells]
        for ceiling in ("bandwidth", "compute"):
            bounds = [statistics.median(turn["bound"][ceiling] for turn in cell["turns"]["paddock"]) for cell in cells]
            axis.plot(streams, bounds, "--", color=_COLORS[ceiling], label=f"{ceiling} bound")
        _lines(axis, [(cell["streams"], {"paddock": cell["turns"]["paddock"]}) for cell in cells])
        axis.set_title(f"{size['size']} parameters")
    return figure


def _logarithmic(axis: Any, streams: Sequence[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(streams, [str(count) for count in streams])
    axis.set(xlabel="streams", ylabel="tokens/s")
    axis.grid(visible=True, alpha=0.25)
    axis.legend()


def _latency(size: Mapping[str, Any]) -> Figure:
    """Draw bars of p50, p95 and p99 for each contender."""
    figure, axes = _figure(2)
    turns = next(cell["turns"] for cell in size["cells"] if cell["name"] == "arrivals")
    for axis, (key, label, factor) in zip(
        axes, (("ttft_s", "time to first token, s", 1), ("tpot_s", "time per output token, ms", 1e3)), strict=True
    ):
        for offset, (name, all_turns) in enumerate((n, t) for n, t in turns.items() if t):
            heights = [statistics.median(t[key][p] for t in all_turns) * factor for p in ("p50", "p95", "p99")]
            places = [place + 0.25 * offset for place in range(3)]
            axis.bar(places, heights, 0.23, label=name, color=_COLORS.get(name))
        axis.set_xticks([0.25, 1.25, 2.25], ["p50", "p95", "p99"])
        axis.set_ylabel(label)
        axis.legend()
    figure.suptitle(f"{size['size']} parameters, requests arriving over time", fontsize=10)
    return figure


if __name__ == "__main__":
    main()
