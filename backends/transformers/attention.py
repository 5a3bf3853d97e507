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

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

ATTENTION = "paddock"


@dataclass(frozen=True)
class DecodeGroup:
    """Decoding requests in one block of the cache: one token each, `offset` and after in the step's tokens.

    Attributes:
        data: the block, [layers, 2, rows, kv_heads, capacity, head_dim].
        rows: [n], 0 to n-1.
        positions: [n], where the new key goes.
        mask: [n, 1, 1, capacity], 0 up to the position and -inf after it, in the model's dtype.
    """

    data: Tensor
    offset: int
    rows: Tensor
    positions: Tensor
    mask: Tensor


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
    """Which of a step's tokens belong to whom."""

    groups: tuple[DecodeGroup, ...]
    chunks: tuple[Chunk, ...]


def decode_mask(positions: Tensor, capacity: int, dtype: torch.dtype) -> Tensor:
    """Build a `DecodeGroup.mask` from positions [n]."""
    hidden = torch.arange(capacity, device=positions.device)[None, :] > positions[:, None]
    mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device).masked_fill_(hidden, -torch.inf)
    return mask[:, None, None, :]


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
    return attend(paddock_step, module.layer_idx, query, torch.stack((key, value), 1), scaling)[None], None


def attend(step: StepLayout, layer: int, query: Tensor, kept: Tensor, scaling: float) -> Tensor:
    """Write the step's keys and values into the cache and attend.

    Args:
        step: which token belongs to whom.
        layer: index of the layer.
        query: [T, heads, head_dim], rotated.
        kept: [T, 2 (key, rotated, and value), kv_heads, head_dim].
        scaling: of the products of queries and keys.

    Returns:
        [T, heads, head_dim]
    """
    if len(step.groups) == 1 and not step.chunks:
        return _decode(step.groups[0], layer, query, kept, scaling)
    output = torch.zeros_like(query, memory_format=torch.contiguous_format)
    for group in step.groups:
        span = slice(group.offset, group.offset + len(group.rows))
        output[span] = _decode(group, layer, query[span], kept[span], scaling)
    for chunk in step.chunks:
        span = slice(chunk.offset, chunk.offset + chunk.count)
        output[span] = _prefill(chunk, layer, query[span], kept[span], scaling)
    return output


def _decode(group: DecodeGroup, layer: int, query: Tensor, kept: Tensor, scaling: float) -> Tensor:
    cache = group.data[layer]  # [2, rows, kv_heads, capacity, head_dim]
    count, _, kv_heads, head_dim = kept.shape
    cache[:, group.rows, :, group.positions] = kept
    keys, values = cache[:, :count]
    folded = query.reshape(count, kv_heads, -1, head_dim)
    attended = scaled_dot_product_attention(folded, keys, values, attn_mask=group.mask, scale=scaling)
    return attended.reshape(count, -1, head_dim)


def _prefill(chunk: Chunk, layer: int, query: Tensor, kept: Tensor, scaling: float) -> Tensor:
    end = chunk.start + chunk.count
    cache = chunk.data[layer]  # [2, kv_heads, capacity, head_dim]
    _, kv_heads, _, head_dim = cache.shape
    cache[:, :, chunk.start : end] = kept.permute(1, 2, 0, 3)
    keys, values = cache[:, None, :, :end]
    folded = query.transpose(0, 1).reshape(1, kv_heads, -1, head_dim)
    attended = scaled_dot_product_attention(folded, keys, values, attn_mask=chunk.mask, scale=scaling)
    return attended.reshape(-1, chunk.count, head_dim).transpose(0, 1)
