"""Whether this machine's GPUs can hold and compute a model; the engine itself would fail late and darkly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backends.errors import LoadError, UnfitError
from backends.tensorrt_llm.config import TensorrtLlmConfig
from backends.tensorrt_llm.model import MANIFEST, Model, read_json
from llama.memory import Precision, cache_bytes_per_token, cache_tokens, shard, stage_bytes, workspace_bytes
from llama.placement import divides

_OLDEST = (8, 0)
"""Ampere (TensorRT-LLM's support matrix), whose keys and values may be FP8."""
_OLDEST_OF_WEIGHTS = {"fp8": (8, 9), "w4a8_awq": (8, 9), "nvfp4": (10, 0)}
"""Ada has the first FP8 tensor cores, Blackwell those of NVFP4 (documentation of 1.2.1, features/quantization)."""
_OLDEST_OF_CACHE = {"nvfp4": (10, 0)}
_TOO_NEW_OF_CACHE = {"nvfp4": (12, 0)}
"""Blackwell's GPUs for workstations, of capability 12.0, have no kernels for it (the same table)."""
_GB = 1e9


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine.

    Attributes:
        capability: compute capability, such as (9, 0) for an H100.
        free_bytes: memory that nobody uses now.
    """

    capability: tuple[int, int]
    free_bytes: int


def gpus() -> list[Gpu]:
    """Look at this machine's GPUs; none where PyTorch finds none."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        major, minor = torch.cuda.get_device_capability(index)
        found.append(Gpu((major, minor), int(torch.cuda.mem_get_info(index)[0])))
    return found


def check_machine(config: TensorrtLlmConfig, model: Model) -> None:
    """Accept the machine, or say what it lacks.

    Raises:
        UnfitError: too few GPUs, too old ones, or too little memory.
        LoadError: the model can't be spread so, or the engine was compiled for another GPU.
    """
    parallel, shape = config.parallel, model.shape
    total = parallel.tensor * parallel.pipeline
    wanted = min(total, parallel.gpus_per_node or total)
    found = gpus()
    if len(found) < wanted:
        raise UnfitError(
            f"TensorRT-LLM needs {wanted} GPUs here, and there are {len(found)}: "
            "set parallel.tensor and parallel.pipeline to what there is"
        )
    if not divides(shape, parallel.tensor):
        raise LoadError(
            f"parallel.tensor {parallel.tensor}: so many GPUs can't share {shape.heads} query heads, {shape.kv_heads} "
            f"key heads and a feed-forward layer {shape.intermediate} wide: set it to a number that divides them"
        )
    if parallel.pipeline > shape.layers:
        raise LoadError(f"parallel.pipeline {parallel.pipeline}: the model has {shape.layers} layers; set it to less")
    cache = config.kv_cache.dtype
    wants = {
        "TensorRT-LLM": _OLDEST,
        f"{model.dtype.upper()} weights": _OLDEST_OF_WEIGHTS.get(model.dtype, _OLDEST),
        f"kv_cache.dtype {cache}": _OLDEST_OF_CACHE.get(cache, _OLDEST),
    }
    what, oldest = max(wants.items(), key=lambda item: item[1])
    used = found[:wanted]
    _check_manifest(config, used)
    for gpu in used:
        if gpu.capability < oldest:
            raise UnfitError(
                f"{what} needs GPUs of compute capability {oldest[0]}.{oldest[1]} or newer, and one here has "
                f"{gpu.capability[0]}.{gpu.capability[1]}: use another GPU or another precision"
            )
        if cache in _TOO_NEW_OF_CACHE and gpu.capability >= _TOO_NEW_OF_CACHE[cache]:
            raise UnfitError(
                f"kv_cache.dtype {cache} is not for GPUs of compute capability "
                f"{gpu.capability[0]}.{gpu.capability[1]}: set it to fp8"
            )
    _check_memory(config, model, min(gpu.free_bytes for gpu in used))


def _check_memory(config: TensorrtLlmConfig, model: Model, free: int) -> None:
    """Refuse weights that don't fit, and a context that no request could fill.

    The arithmetic is `paddock plan`'s. Of an engine only the files count: its build settled its precisions.
    """
    parallel = config.parallel
    part = shard(model.shape, parallel.tensor)
    if config.engine is not None:
        files = (path.stat().st_size for path in Path(config.engine).glob("rank*.engine"))
        weights, most = max(files, default=0), model.context_length
    else:
        weights = stage_bytes(part, _precision(model.dtype), parallel.pipeline)
        fp8 = config.kv_cache.dtype == "fp8" or model.fp8_cache
        token = cache_bytes_per_token(part, Precision.fp8 if fp8 else Precision.bf16, parallel.pipeline)
        left = free - weights - workspace_bytes(part, Precision.bf16, config.max_batch_tokens)
        most = cache_tokens(left, token, config.kv_cache.memory_fraction)
    if weights > free or most < 1:
        raise UnfitError(
            f"the weights take {weights / _GB:.2f} GB of each GPU, and {free / _GB:.2f} GB are free: free it, use more "
            "GPUs (parallel.tensor), or an FP8 checkpoint"
        )
    if most < model.context_length:
        raise UnfitError(
            f"beside {weights / _GB:.2f} GB of weights there is room for the keys and values of {most} tokens, and "
            f"context_length is {model.context_length}: lower it to {most} at most, set kv_cache.dtype to fp8, or use "
            "more GPUs (parallel.tensor)"
        )


def _precision(dtype: str) -> Precision:
    """What comes nearest to a checkpoint's own word for its weights."""
    if dtype == "fp8":
        return Precision.fp8
    return Precision.int4 if dtype in ("nvfp4", "w4a16_awq", "w4a8_awq") else Precision.bf16


def _check_manifest(config: TensorrtLlmConfig, used: list[Gpu]) -> None:
    """Compare with the GPU that an engine of `paddock build` was compiled on; TensorRT tells it late and darkly."""
    path = Path(config.engine or "") / MANIFEST
    if config.engine is None or not path.is_file():
        return
    manifest = read_json(path, "build the engine again")
    capability = manifest.get("compute_capability")
    for gpu in used:
        if capability is not None and tuple(capability) != gpu.capability:
            raise LoadError(
                f"engine {config.engine} was compiled for compute capability {capability[0]}.{capability[1]}, and a "
                f"GPU here has {gpu.capability[0]}.{gpu.capability[1]}: build it here, with `{manifest.get('command')}`"
            )
