"""From a checkpoint to what TensorRT-LLM serves: fetched, in FP8 if wanted, compiled if wanted, and checked.

The vendors' packages work in processes of their own: Model Optimizer in its own environment, TensorRT-LLM in this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import artifact
from services.artifact import BuildError
from services.checkpoint import read_json, resolve

_COMPILE = "backends.tensorrt_llm.compile"
_QUANTIZE = Path(__file__).parents[1] / "backends" / "tensorrt_llm" / "quantize.py"
_COUNTED = ("*.json", "*.safetensors", "*.jinja")
"""The files of a checkpoint that what is built depends on."""
_CARRIED = ("tokenizer*.json", "special_tokens_map.json", "generation_config.json", "*.jinja")


@dataclass(frozen=True)
class Plan:
    """What is to be built.

    Attributes:
        checkpoint: a folder or a hub name.
        revision: of a hub name.
        output: where what is built goes.
        engine: compile for the compiled flow.
        fp8: quantize, unless the checkpoint is FP8 already.
        modelopt_python: the interpreter of Model Optimizer's environment, for `fp8` without `engine`.
        calibration: a file of texts for it.
        tensor, pipeline, max_batch_size, max_num_tokens, max_seq_len: of an engine.
        command: that builds the same.
    """

    checkpoint: str
    output: Path
    command: str
    revision: str | None = None
    engine: bool = False
    fp8: bool = False
    modelopt_python: str | None = None
    calibration: Path | None = None
    tensor: int = 1
    pipeline: int = 1
    max_batch_size: int = 256
    max_num_tokens: int = 8192
    max_seq_len: int = 8192


@dataclass(frozen=True)
class Built:
    """What there is now: the folder of the checkpoint, and of the engine where one was wanted."""

    checkpoint: Path
    engine: Path | None = None


def build(plan: Plan, tell: Callable[[str], None]) -> Built:
    """Build, or find built.

    Args:
        plan: what.
        tell: is told of each step, and of its progress.

    Raises:
        BuildError: a step failed; finished steps are kept, and found again next time.
        ConfigError: the checkpoint can't be had.
    """
    tell(f"fetching {plan.checkpoint}, if it is no folder")
    source = resolve(plan.checkpoint, plan.revision, "checkpoint")
    is_folder = Path(plan.checkpoint).expanduser().is_dir()
    model = str(source.resolve()) if is_folder else plan.checkpoint
    base = Path(model).name
    quantized = _is_fp8(source)
    if quantized:
        tell("the checkpoint is FP8 already")
    if not plan.engine and (quantized or not plan.fp8):
        return Built(source)  # nothing is made of it: hundreds of GB need not be read again
    inputs: dict[str, Any] = {
        "model": model,
        "revision": None if is_folder else source.name,  # the hub's library names a snapshot after its commit
        "sources": artifact.hashes(source, _COUNTED, tell),
        "precision": "fp8" if plan.fp8 or quantized else "as published",
    }
    if plan.engine:
        if plan.modelopt_python is not None or plan.calibration is not None:
            raise BuildError(
                "--modelopt-python and --calibration are for --fp8 without --engine: an engine is quantized by "
                "TensorRT-LLM, with texts that it fetches; build a checkpoint with them first, and an engine of that"
            )
        return Built(source, _compiled(plan, source, base, inputs, plan.fp8 and not quantized, tell))
    return Built(_quantized(plan, source, base, inputs, tell))


def _quantized(plan: Plan, source: Path, base: str, inputs: dict[str, Any], tell: Callable[[str], None]) -> Path:
    if plan.modelopt_python is None or plan.calibration is None:
        raise BuildError(
            "quantizing needs NVIDIA Model Optimizer in an environment of its own, and texts: give --modelopt-python "
            "and --calibration, or a checkpoint that is FP8 already, such as nvidia/Llama-3.1-8B-Instruct-FP8"
        )
    python, texts = plan.modelopt_python, plan.calibration
    if not texts.is_file():
        raise BuildError(f"--calibration {texts}: there is no such file; give one with a text per line")
    inputs = {
        **inputs,
        "calibration": artifact.digest(texts.read_text(encoding="utf-8", errors="replace")),
        "model_optimizer": _run([python, str(_QUANTIZE)], "Model Optimizer", capture=True).strip(),
    }

    def fill(folder: Path) -> None:
        tell("quantizing to FP8 with NVIDIA Model Optimizer")
        _run([python, str(_QUANTIZE), str(source), str(folder), str(texts)], "Model Optimizer")
        if not _is_fp8(folder) or not list(folder.glob("*.safetensors")):
            raise BuildError("Model Optimizer ended well and left no FP8 checkpoint; its output above says more")
        for pattern in _CARRIED:
            for path in source.glob(pattern):
                (folder / path.name).write_bytes(path.read_bytes())

    return artifact.make(plan.output, f"{base}-fp8", inputs, plan.command, fill)


def _compiled(
    plan: Plan, source: Path, base: str, inputs: dict[str, Any], quantize: bool, tell: Callable[[str], None]
) -> Path:
    machine = json.loads(_run([sys.executable, "-m", _COMPILE, "{}"], "TensorRT-LLM", capture=True))
    if machine["compute_capability"] is None:
        raise BuildError(
            "there is no GPU here, and an engine is compiled for the one it is compiled on: build where one is"
        )
    limits = {name: getattr(plan, name) for name in ("max_batch_size", "max_num_tokens", "max_seq_len")}
    parallel = {"tensor": plan.tensor, "pipeline": plan.pipeline}
    inputs = {**inputs, **machine, **parallel, **limits}

    def fill(folder: Path) -> None:
        tell("compiling; this takes minutes")
        job = {"source": str(source), "target": str(folder), "quantize": quantize, **parallel, **limits}
        _run([sys.executable, "-m", _COMPILE, json.dumps(job)], "TensorRT-LLM")
        ranks = len(list(folder.glob("rank*.engine")))
        if (
            ranks != plan.tensor * plan.pipeline
            or read_json(folder, "config.json").get("version") != machine["tensorrt_llm"]
        ):
            raise BuildError("TensorRT-LLM ended well and left no whole engine; its output above says more")

    return artifact.make(plan.output, f"{base}-engine", inputs, plan.command, fill)


def _is_fp8(folder: Path) -> bool:
    return (read_json(folder, "hf_quant_config.json").get("quantization") or {}).get("quant_algo") == "FP8"


def _run(command: Sequence[str], who: str, *, capture: bool = False) -> str:
    """Run a step; its own output goes to the terminal, unless it is the answer."""
    try:
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if capture else None)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{who} failed (exit code {error.returncode}); its output above says why") from error
    except OSError as error:
        raise BuildError(f"{command[0]} can't be run ({error.strerror}); name an interpreter that can") from error
    return done.stdout or ""
