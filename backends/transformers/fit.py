"""Whether a checkpoint fits into what is free, told before its weights are read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backends.errors import LoadError
from backends.transformers.config import TransformersConfig
from backends.transformers.memory import free_bytes
from llama.architecture import ArchitectureError, Decoder, read_architecture
from llama.memory import (
    CACHE_BLOCK,
    Precision,
    cache_bytes_per_token,
    cache_tokens,
    weights_bytes,
    workspace_bytes,
)

_GB = 1e9
_GIB_STEP = 2**30 // 100  # `cache_gib` is advised in hundredths
_SHORTEST = 64
"""Tokens; a lower `context_length` isn't advised."""


@dataclass(frozen=True)
class Need:
    """What a model takes, in bytes.

    Attributes:
        cache: what the config asks for: `cache_gib`, or one request of `context_length`, or a block of tokens.
        workspace: of a step, or of packing the largest layer while loading, whichever is more.
        token: keys and values of one token.
    """

    weights: int
    cache: int = 0
    workspace: int = 0
    token: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.workspace


def read_decoder(folder: Path, raw: Mapping[str, Any]) -> Decoder:
    """Read the sizes of a `LlamaForCausalLM` from the content of its `config.json`.

    Raises:
        LoadError: they aren't all there.
    """
    try:
        model = read_architecture(raw)
    except ArchitectureError as error:
        raise LoadError(f"{folder}/config.json: {error}") from error
    if not isinstance(model, Decoder):
        raise LoadError(f"{folder}/config.json is no language model's: download the checkpoint again")
    return model


def needed(model: Decoder, config: TransformersConfig, dtype: torch.dtype, fuses: bool) -> Need:
    """Tell what a model takes. Fused, a tied output layer is no longer the embedding, but stands beside it."""
    precision = Precision.f32 if dtype.itemsize == 4 else Precision.bf16
    token = cache_bytes_per_token(model, precision)
    asked = (config.context_length or CACHE_BLOCK) * token
    workspace = workspace_bytes(model, precision, config.max_batch_tokens)
    packed = max(model.embedding, 4 * model.hidden * model.intermediate)  # gate and up are joined, then packed
    return Need(
        weights=weights_bytes(dataclasses.replace(model, tied=model.tied and not fuses), precision),
        cache=asked if config.cache_gib is None else int(config.cache_gib * 2**30),
        workspace=max(workspace, packed * precision.wide) if fuses else workspace,
        token=token,
    )


def check_fit(need: Need, config: TransformersConfig, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse what doesn't fit.

    Raises:
        LoadError: it says what is needed, what is free, and the remedy.
    """
    free = free_bytes(device)
    if need.total <= free:
        return
    parts = [f"{need.weights / _GB:.2f} GB of weights as {str(dtype).removeprefix('torch.')}"]
    if need.cache:
        parts.append(f"{need.cache / _GB:.2f} GB of cache{_reason(config)}")
    if need.workspace:
        parts.append(f"{need.workspace / _GB:.2f} GB of workspace")
    raise LoadError(
        f"{config.checkpoint} doesn't fit {device}: it takes {', '.join(parts)}, and {free / _GB:.2f} GB are free: "
        f"{_remedy(need, free, config, dtype)}"
    )


def _reason(config: TransformersConfig) -> str:
    if config.cache_gib is not None:
        return " (`cache_gib`)"
    return f" (a request of `context_length` {config.context_length})" if config.context_length else ""


def _remedy(need: Need, free: int, config: TransformersConfig, dtype: torch.dtype) -> str:
    left = free - need.weights - need.workspace
    if need.cache and config.cache_gib is not None and left >= _GIB_STEP:
        return f"lower it to {left // _GIB_STEP / 100:g} at most"
    if need.cache and config.cache_gib is None and config.context_length is not None:
        tokens = cache_tokens(left, need.token)
        if tokens >= _SHORTEST:
            return f"lower it to {tokens} at most"
    cache = need.cache // 2 if config.cache_gib is None else need.cache
    if dtype.itemsize == 4 and (need.weights + need.workspace) // 2 + cache <= free:
        return "set `dtype` to bfloat16"
    return f"have {math.ceil(need.total / _GB * 100) / 100:.2f} GB free, or take a smaller model"
