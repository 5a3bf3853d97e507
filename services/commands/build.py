"""`paddock build`: from a checkpoint to a folder that TensorRT-LLM serves."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from services.commands.console import Console

EPILOG = """\
examples:
  paddock build nvidia/Llama-3.1-8B-Instruct-FP8 --engine --output /engines
  paddock build /models/llama --fp8 --modelopt-python /opt/modelopt/bin/python --calibration texts.txt
"""
_FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder, or a hub name such as org/name")
    parser.add_argument("--revision", help="of a hub name: a branch, tag or commit")
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("engines"), help="where it goes (engines)")
    parser.add_argument("--engine", action="store_true", help="compile an engine, for backend.engine")
    parser.add_argument("--fp8", action="store_true", help="quantize to FP8, unless the checkpoint is")
    parser.add_argument("--modelopt-python", metavar="PYTHON", help="the interpreter of Model Optimizer's environment")
    parser.add_argument("--calibration", metavar="FILE", type=Path, help="texts to quantize with, one per line")
    for name, default in (("tensor", 1), ("pipeline", 1)):
        parser.add_argument(f"--{name}", metavar="N", type=_count, default=default, help=f"parallel.{name} ({default})")
    limits = (("batch-size", 256), ("num-tokens", 8192), ("seq-len", 8192))
    for name, default in limits:
        parser.add_argument(
            f"--max-{name}", metavar="N", type=_count, default=default, help=f"of an engine ({default})"
        )


def run(args: argparse.Namespace, console: Console) -> int:
    """Build, and say how to serve it."""
    from services.artifact import BuildError
    from services.build import Plan, build
    from services.errors import ConfigError

    fields = {name: value for name, value in vars(args).items() if name in Plan.__dataclass_fields__}
    command = shlex.join(["paddock", *sys.argv[1:]])
    try:
        built = build(Plan(**{**fields, "command": command}), console.note)
    except (BuildError, ConfigError) as error:
        console.note(f"paddock build: {error}")
        return _FAILED
    keys = [f"models.custom.checkpoint={built.checkpoint}", f"models.custom.backend.parallel.tensor={args.tensor}"]
    keys += [f"models.custom.backend.parallel.pipeline={args.pipeline}"]
    if built.engine is not None:
        keys += [
            f"models.custom.backend.engine={built.engine}",
            f"models.custom.backend.context_length={args.max_seq_len}",
            f"models.custom.backend.max_concurrency={args.max_batch_size}",
            f"models.custom.backend.max_batch_tokens={args.max_num_tokens}",
        ]
    print(f"{built.engine or built.checkpoint}")
    console.note(
        "serve it: paddock serve model=custom backend@models.custom.backend=tensorrt_llm models.custom.name=NAME "
        + " ".join(keys)
    )
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
