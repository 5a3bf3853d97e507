"""Attention over our cache, called by our fused layers, or by the stock ones through the library's
`AttentionInterface`.

No mask is registered with `AttentionMaskInterface` on purpose: without one the library builds none
(`masking_utils._preprocess_mask_arguments`, 4.57 and 5.23), and ours come with the step.

A request's result depends on shapes of its own alone: decode attention runs per block of the cache, whose capacity
follows from the request's length, one row per request; a chunk runs against its own slot. Query heads that share a
key head are folded into the query's length, so that keys are never repeated (grouped-query attention,
arXiv:2305.13245).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from backends.transformers import kernels

ATTENTION = "paddock"


@dataclass(frozen=True)
class DecodeGroup:
    """Decoding requests in one block of the cache: one token each, `offset` and after in the step's tokens.

    Attributes:
        data: the block, [layers, 2, rows, kv_heads, capacity, head_dim].
        positions: where the new key goes, for each.
    """

    data: Tensor
    offset: int
    positions: Sequence[int]

    @cached_property
    def at(self) -> tuple[Tensor, Tensor]:
        """Rows, 0 to n-1, and positions: [n]."""
        positions = torch.tensor(self.positions, device=self.data.device)
        return torch.arange(len(positions), device=positions.device), positions

    @cached_property
    def mask(self) -> Tensor:
        """[n, 1, 1, capacity], 0 up to the position and -inf after it, in the model's dtype."""
        hidden = torch.arange(self.data.shape[4], device=self.data.device)[None, :] > self.at[1][:, None]
        mask = torch.zeros(hidden.shape, dtype=self.data.dtype, device=self.data.device)
        return mask.masked_fill_(hidden, -torch.inf)[:, None, None, :]


@dataclass(frozen=True)
class Chunk:
    """A prefill chunk of one request: tokens [start, start + count) of it, at `offset` in the step's tokens.

    Attributes:
        data: its slot, [layers, 2, kv_heads, capacity, head_dim].
        mask: [groups * count, start + count], causal, repeated for the query heads that share a key head.
    """

    data: Tensor
    offset: int
    start: int
    count: int
    mask: Tensor


@dataclass(frozen=True)
class StepLayout:
    """Which of a step's tokens belong to whom: first those of the groups, then those of the chunks, without a gap."""

    groups: tuple[DecodeGroup, ...]
    chunks: tuple[Chunk, ...]

    @cached_property
    def decoding(self) -> int:
        """How many tokens the groups have."""
        return sum(len(group.positions) for group in self.groups)

    @cached_property
    def places(self) -> Tensor:
        """Where their keys and values are, for our kernels."""
        return kernels.places_of([(group.data, group.positions) for group in self.groups])


def chunk_mask(start: int, count: int, groups: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Build a `Chunk.mask`."""
    keys = torch.arange(start + count, device=device)
    hidden = keys[None, :] > keys[start:, None]
    mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)
    return mask.repeat(groups, 1)


def register_attention() -> None:
    """Make `attn_implementation="paddock"` known to the library. Idempotent."""
    AttentionInterface.register(ATTENTION, paddock_attention)


def paddock_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    paddock_step: StepLayout,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend as the library asks for it.

    Args:
        module: the attention layer; its `layer_idx` is used.
        query: [1, heads, T, head_dim], rotated.
        key: [1, kv_heads, T, head_dim], rotated; `value` likewise.
        attention_mask: None.

    Returns:
        [1, T, heads, head_dim], and None for the weights.
    """
    # [T, heads, head_dim] from here on
    query, key, value = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    return attend(paddock_step, module.layer_idx, torch.cat((query, key, value), 1), key.shape[1], scaling)[None], None


def attend(step: StepLayout, layer: int, mixed: Tensor, kv_heads: int, scaling: float) -> Tensor:
    """Write the step's keys and values into the cache and attend.

    Args:
        step: which token belongs to whom.
        layer: index of the layer.
        mixed: [T, heads + 2 kv_heads, head_dim]: queries and keys, rotated, and values; contiguous.
        kv_heads: heads of keys, and of values.
        scaling: of the products of queries and keys.

    Returns:
        [T, heads, head_dim]
    """
    native = kernels.load() if kernels.suit(mixed) else None
    if native is None or not native.attends(mixed.shape[1] - 2 * kv_heads, kv_heads, mixed.shape[2]):
        parts = [_decode(group, layer, mixed[_span(group)], scaling) for group in step.groups]
    elif step.groups:
        parts = [native.attend(mixed[: step.decoding], step.places, layer, kv_heads, scaling)]
    else:
        parts = []
    parts += [_prefill(chunk, layer, mixed[_span(chunk)], scaling) for chunk in step.chunks]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _span(part: DecodeGroup | Chunk) -> slice:
    return slice(part.offset, part.offset + (len(part.positions) if isinstance(part, DecodeGroup) else part.count))


def _decode(group: DecodeGroup, layer: int, mixed: Tensor, scaling: float) -> Tensor:
    cache = group.data[layer]  # [2, rows, kv_heads, capacity, head_dim]
    count, _, head_dim = mixed.shape
    kv_heads = cache.shape[2]
    query, kept = _parts(mixed, kv_heads)
    rows, positions = group.at
    cache[:, rows, :, positions] = kept
    keys, values = cache[:, :count]
    folded = query.reshape(count, kv_heads, -1, head_dim)
    attended = scaled_dot_product_attention(folded, keys, values, attn_mask=group.mask, scale=scaling)
    return attended.reshape(count, -1, head_dim)


def _prefill(chunk: Chunk, layer: int, mixed: Tensor, scaling: float) -> Tensor:
    end = chunk.start + chunk.count
    cache = chunk.data[layer]  # [2, kv_heads, capacity, head_dim]
    _, kv_heads, _, head_dim = cache.shape
    query, kept = _parts(mixed, kv_heads)
    cache[:, :, chunk.start : end] = kept.permute(1, 2, 0, 3)
    keys, values = cache[:, None, :, :end]
    folded = query.transpose(0, 1).reshape(1, kv_heads, -1, head_dim)
    attended = scaled_dot_product_attention(folded, keys, values, attn_mask=chunk.mask, scale=scaling)
    return attended.reshape(-1, chunk.count, head_dim).transpose(0, 1)


def _parts(mixed: Tensor, kv_heads: int) -> tuple[Tensor, Tensor]:
    """Give the queries [T, heads, head_dim], and what is kept [T, 2 (key, value), kv_heads, head_dim]."""
    return mixed[:, : -2 * kv_heads], mixed[:, -2 * kv_heads :].unflatten(1, (2, -1))
