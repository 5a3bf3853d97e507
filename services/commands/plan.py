"""`paddock plan`: does a model fit, on what, and how many sequences at once. Asks no server and needs no GPU."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from llama.architecture import PRESETS, Architecture, ArchitectureError, read_architecture
from llama.memory import CACHE_PRECISIONS, Precision
from services.commands import option
from services.commands.console import Console, UsageError, one_line, table
from services.planner.device import GPUS, Device, machine
from services.planner.plan import MOST_DEVICES, Plan, PlanError, Question, check, smallest
from services.planner.remedy import solve
from services.planner.report import alternatives, facts, helm_values, sections

_CONTEXT = 8192
_LARGEST_CONFIG = 2**20  # bytes
_LARGEST_GB = 1_000_000

EPILOG = f"""\
models: {", ".join(PRESETS)}
GPUs:   {", ".join(GPUS)}

examples:
  paddock plan llama-3.1-405b --gpu H100-SXM --gpus 8 --weights fp8 --context 131072
  paddock plan llama-3.1-70b --weights fp8 --concurrency 64 --smallest
  paddock plan ./checkpoint/config.json --memory 64 --bandwidth 50 --weights f32

docs/planning.md has the formulas.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    precisions = [precision.value for precision in Precision]
    parser.add_argument("model", metavar="MODEL", help="a name from below, or a checkpoint's config.json or folder")
    parser.add_argument("--gpu", type=gpu, metavar="NAME", help="which GPU (default: H100-SXM)")
    parser.add_argument("--gpus", type=option.whole(1, MOST_DEVICES), metavar="N", help="how many at most (default: 1)")
    parser.add_argument("--memory", type=gigabytes, metavar="GB", help="a machine without GPU, with this memory")
    parser.add_argument("--bandwidth", type=gigabytes, metavar="GB/S", help="what it reads of its memory a second")
    parser.add_argument("--smallest", action="store_true", help="find the fewest of --gpu, or of each, that will do")
    parser.add_argument("--weights", choices=precisions, default="bf16", help="bf16 is float16 too (default: bf16)")
    parser.add_argument(
        "--kv",
        choices=[precision.value for precision in CACHE_PRECISIONS],
        help="keys and values (default: as the weights; with quantized ones fp8, or bf16 where there is none)",
    )
    parser.add_argument(
        "--context",
        type=option.whole(1, 2**24),
        metavar="TOKENS",
        help="prompt and answer (default: 8192, or the model's)",
    )
    parser.add_argument(
        "--concurrency", type=option.whole(1, 2**20), default=1, metavar="N", help="sequences at once (default: 1)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the plan as JSON; sizes are bytes")
    form.add_argument("--helm-values", action="store_true", help="print the plan as values of the Helm chart")


def run(args: argparse.Namespace, console: Console) -> int:
    """Plan and print."""
    try:
        plans = _smallest(args) if args.smallest else [solve(question(args))]
        values = helm_values(plans[0]) if args.helm_values else ""
    except PlanError as error:
        raise UsageError(str(error)) from None
    if args.json:
        said = facts(plans[0])
        said |= {"alternatives": [facts(plan) for plan in plans[1:]]} if args.smallest else {}
        console.write(f"{json.dumps(said, indent=2)}\n")
    elif args.helm_values:
        console.write(values)
    else:
        tables = sections(plans[0])
        console.write("\n".join(map(table, [*tables, alternatives(plans)] if args.smallest else tables)))
    return 0


def question(args: argparse.Namespace) -> Question:
    """Return what the arguments ask."""
    name, model = read_model(args.model)
    weights, device = Precision(args.weights), _device(args)
    return Question(
        name=name,
        model=model,
        device=device,
        devices=args.gpus or 1,
        weights=weights,
        cache=Precision(args.kv) if args.kv else _cache(weights, device),
        context=args.context or min(_CONTEXT, model.positions),
        sequences=args.concurrency,
    )


def _cache(weights: Precision, device: Device) -> Precision:
    """Choose what keys and values are stored in. Lower weights never bring a larger cache: what is proposed must do."""
    if weights in (Precision.f32, Precision.bf16):
        return weights
    return Precision.fp8 if device.fp8_cache else Precision.bf16


def _device(args: argparse.Namespace) -> Device:
    if args.memory is None and args.bandwidth is None:
        return args.gpu or GPUS["H100-SXM"]
    if args.memory is None or args.bandwidth is None:
        raise UsageError("--memory and --bandwidth describe a machine together: give both")
    given = [name for name in ("gpu", "gpus", "kv", "smallest") if getattr(args, name)]
    if given:
        raise UsageError(f"--memory describes a machine without a GPU: leave out --{given[0]}")
    return machine(args.memory, args.bandwidth)


def _smallest(args: argparse.Namespace) -> list[Plan]:
    if args.gpus is not None:
        raise UsageError("--smallest finds how many GPUs are needed: leave out --gpus")
    asked = question(args)
    kinds = [args.gpu] if args.gpu else list(GPUS.values())
    check(replace(asked, device=kinds[-1]))  # of all kinds, the one that can do most
    plans = smallest(asked, kinds)
    if not plans:
        solve(replace(asked, device=kinds[-1], devices=MOST_DEVICES))  # says what lacks
    return plans


def gpu(value: str) -> Device:
    """Read the name of a GPU; capitals don't matter."""
    found = {name.lower(): device for name, device in GPUS.items()}.get(value.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{value!r} is not in the table: {', '.join(GPUS)}; or use --memory")
    return found


def gigabytes(value: str) -> float:
    """Read a size or a rate."""
    size = option.number(value)
    if not 0 < size <= _LARGEST_GB:
        raise argparse.ArgumentTypeError(f"{value!r} is not in (0, {_LARGEST_GB:,}]")
    return size


def read_model(value: str) -> tuple[str, Architecture]:
    """Give name and sizes of a preset, or of a checkpoint.

    Raises:
        UsageError: it is neither.
    """
    preset = PRESETS.get(value.lower().removesuffix("-instruct"))
    if preset is not None:
        return value.lower(), preset
    path, shown = Path(value), one_line(value)
    try:
        path = path / "config.json" if path.is_dir() else path
        if not path.exists():
            raise UsageError(f"{shown} is neither a config.json nor one of {', '.join(PRESETS)}")
        with path.open("rb") as file:
            config = json.loads(file.read(_LARGEST_CONFIG))
        if not isinstance(config, dict):
            raise UsageError(f"{shown} holds no JSON object: give a checkpoint's config.json")
        return one_line(path.resolve().parent.name) or "model", read_architecture(config)
    except ArchitectureError as error:
        raise UsageError(f"{shown}: {error}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{shown} can't be read ({type(error).__name__}): give a checkpoint's config.json") from None
