"""docs/planning.md: its tables and its example are what the code gives."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from llama.architecture import PRESETS, Decoder
from llama.memory import TRAINING, Precision, cache_bytes_per_token, unquantized_parameters, weights_bytes
from llama.placement import CACHE_SHARE, RESERVE_BYTES, STEP_TOKENS
from services.planner.device import GPUS
from services.planner.plan import Question, fewest

DOC = (Path(__file__).parents[4] / "docs" / "planning.md").read_text(encoding="utf-8")
SIZES = {"8B": 8e9, "70B": 70e9, "405B": 405e9}
PUBLISHED_WEIGHTS = {"8B": "16 / 8 / 4", "70B": "140 / 70 / 35", "405B": "810 / 405 / 203"}
PUBLISHED_CACHE = {
    "8B": "0.125 / 1.95 / 15.62",
    "70B": "0.313 / 4.88 / 39.06",
    "405B": "0.984 / 15.38 / 123.05",
}
QUANTIZED = (Precision.bf16, Precision.fp8, Precision.int4)


def model(size) -> Decoder:
    found = PRESETS[f"llama-3.1-{size.lower()}"]
    assert isinstance(found, Decoder)
    return found


def weights() -> list[str]:
    return [
        f"| {size} | {model(size).parameters:,} | {published} | "
        + " / ".join(f"{weights_bytes(model(size), precision) / 1e9:.1f}" for precision in QUANTIZED)
        + f" | {2 * unquantized_parameters(model(size)) / 1e9:.1f} |"
        for size, published in PUBLISHED_WEIGHTS.items()
    ]


def cache() -> list[str]:
    def gib(found, precision):
        token = cache_bytes_per_token(found, precision)
        return " / ".join(f"{token * tokens / 2**30:.4g}" for tokens in (1024, 16_000, 128_000))

    return [
        f"| {size} | {published} | {gib(model(size), Precision.bf16)} | {gib(model(size), Precision.fp8)} | "
        f"{cache_bytes_per_token(model(size), Precision.bf16) // 1024} KiB |"
        for size, published in PUBLISHED_CACHE.items()
    ]


def training() -> list[str]:
    return [
        f"| {size} | {' | '.join(f'{gb:,}' for gb in dataclasses.astuple(TRAINING[f'llama-3.1-{size.lower()}']))} |"
        for size in SIZES
    ]


def devices() -> list[str]:
    kinds = ("no", "yes")
    return [
        f"| {gpu.name} | {gpu.memory // 2**20:,} | {gpu.bandwidth / 1e9:,.0f} | "
        f"{kinds[gpu.fp8]} | {kinds[gpu.fp8_cache]} |"
        for gpu in GPUS.values()
    ]


def needed() -> list[str]:
    rows = []
    for size in SIZES:
        for precision in (Precision.bf16, Precision.fp8):
            counts = []
            for name in ("L40S", "A100-80GB", "H100-SXM", "H200", "B200"):
                device = GPUS[name]
                asked = Question(size, model(size), device, 1, precision, precision, 8192, 16)
                found = fewest(asked) if device.fp8 or precision is Precision.bf16 else None
                counts.append(str(found.question.devices) if found else "-")
            rows.append(f"| {size}, {precision.value} | {' | '.join(counts)} |")
    return rows


@pytest.mark.parametrize("table", [weights, cache, training, devices, needed], ids=lambda table: table.__name__)
def test_tables(table):
    rows = table()
    assert "\n".join(rows) in DOC, "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [f"{RESERVE_BYTES / 2**30:g} GiB", f"{CACHE_SHARE:.0%} of what is left", f"{STEP_TOKENS} tokens"],
)
def test_constants(text):
    assert text in DOC


def test_examples_print_what_is_shown(run_plan):
    shown = re.findall(r"```console\n\$ paddock (plan .*?)\n(.*?)```", DOC, re.DOTALL)
    assert len(shown) == 2
    for command, output in shown:
        result = run_plan(*shlex.split(command))
        assert (result.out or result.err) == output


@pytest.fixture
def run_plan(capsys):
    from types import SimpleNamespace

    from services.cli import main

    def run(*words):
        main(words)
        out, err = capsys.readouterr()
        return SimpleNamespace(out=out, err=err)

    return run
