"""Choosing the next ids, for many requests with different parameters at once.

Everything a row goes through depends on that row alone. Draws are counter-based: the uniform number for answer
position i of a request is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with
the seed as key and i as counter; the id is where the cumulative distribution passes it (inverse CDF). Probabilities
are float64, so that rounding in exp and sums doesn't move a choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.types import Sampling

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Row:
    """One request's part in a step.

    Attributes:
        sampling: its parameters.
        position: index in the answer of the id to choose, the continuation counted in.
        prompt: its prompt's distinct ids; needed for the repetition penalty only.
        counts: occurrences of each id in the answer so far; needed for penalties only.
        banned: ids not to choose, such as stop ids before `min_tokens`.
    """

    sampling: Sampling
    position: int
    prompt: frozenset[int] = frozenset()
    counts: dict[int, int] | None = None
    banned: frozenset[int] = frozenset()


def choose(logits: Tensor, rows: Sequence[Row], allowed: Tensor | None = None) -> list[int]:
    """Choose one id per row.

    Args:
        logits: raw, finite, float32 [len(rows), vocab]; not changed.
        allowed: bool [len(rows), vocab], at least one in each row; what it excludes is not chosen, and where it leaves
            nothing that isn't banned, the ban gives way. None excludes nothing.
    """
    if allowed is not None:
        allowed = allowed.to(logits.device)
        rows = [_unless_all(row, allowed[index]) if row.banned else row for index, row in enumerate(rows)]
    adjusted = adjust(logits, rows)
    if allowed is not None:
        adjusted = adjusted.masked_fill(~allowed, -torch.inf)
    chosen = adjusted.argmax(dim=-1).tolist()  # the lowest id on a tie, as documented by torch.argmax
    drawn = [index for index, row in enumerate(rows) if row.sampling.temperature > 0]
    if drawn:
        for index, token in zip(drawn, _draw(adjusted[drawn], [rows[index] for index in drawn]), strict=True):
            chosen[index] = token
    return [int(token) for token in chosen]


def adjust(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """Apply penalties, bias and bans, in the order of `Sampling`'s fields. Returns a copy, or `logits` unchanged."""
    if not any(_adjusts(row) for row in rows):
        return logits
    logits = logits.clone()
    _repetition(logits, rows)
    _subtract(logits, rows)
    bias = [(i, token, value) for i, row in enumerate(rows) for token, value in row.sampling.logit_bias]
    if bias:
        at, ids, values = _flat(logits, bias)
        logits[at, ids] += values
    banned = [(i, token, 0.0) for i, row in enumerate(rows) for token in row.banned]
    if banned:
        at, ids, _ = _flat(logits, banned)
        logits[at, ids] = -torch.inf
    return logits


def _unless_all(row: Row, allowed: Tensor) -> Row:
    """Lift a ban that would leave nothing of what is allowed."""
    left = allowed.clone()
    left[list(row.banned)] = False
    return row if bool(left.any()) else replace(row, banned=frozenset())


def _adjusts(row: Row) -> bool:
    sampling = row.sampling
    penalized = sampling.repetition_penalty != 1 or sampling.presence_penalty or sampling.frequency_penalty
    return bool(penalized or sampling.logit_bias or row.banned)


def _repetition(logits: Tensor, rows: Sequence[Row]) -> None:
    seen = [
        (i, token, row.sampling.repetition_penalty)
        for i, row in enumerate(rows)
        if row.sampling.repetition_penalty != 1
        for token in row.prompt.union(row.counts or ())
    ]
    if seen:
        at, ids, penalty = _flat(logits, seen)
        values = logits[at, ids]
        logits[at, ids] = torch.where(values > 0, values / penalty, values * penalty)


def _subtract(logits: Tensor, rows: Sequence[Row]) -> None:
    """Presence and frequency penalties."""
    answered = [
        (i, token, row.sampling.presence_penalty + count * row.sampling.frequency_penalty)
        for i, row in enumerate(rows)
        if row.sampling.presence_penalty or row.sampling.frequency_penalty
        for token, count in (row.counts or {}).items()
    ]
    if answered:
        at, ids, penalty = _flat(logits, answered)
        logits[at, ids] -= penalty


def _flat(logits: Tensor, entries: Iterable[tuple[int, int, float]]) -> tuple[Tensor, Tensor, Tensor]:
    """Turn (row, id, value) entries into index and value tensors beside the logits."""
    at, ids, values = zip(*entries, strict=True)
    device = logits.device
    return (
        torch.tensor(at, device=device),
        torch.tensor(ids, device=device),
        torch.tensor(values, device=device, dtype=logits.dtype),
    )


def _draw(logits: Tensor, rows: Sequence[Row]) -> list[int]:
    """Draw by inverse CDF: over the vocabulary in order of ids, or over what the filters keep, most likely first."""
    device = logits.device
    temperature = torch.tensor([row.sampling.temperature for row in rows], dtype=torch.float64, device=device)
    # Differences to the maximum first: then a tiny temperature gives -inf, never inf or NaN.
    scaled = logits.double()
    scaled = (scaled - scaled.amax(dim=-1, keepdim=True)) / temperature[:, None]
    weights = scaled.nan_to_num_(nan=0.0, posinf=0.0).exp_()
    uniforms = torch.from_numpy(uniform([row.sampling.seed for row in rows], [row.position for row in rows])).to(device)
    filtered = [i for i, row in enumerate(rows) if _filters(row.sampling, logits.shape[-1])]
    plain = [i for i, row in enumerate(rows) if not _filters(row.sampling, logits.shape[-1])]
    chosen = [0] * len(rows)
    if plain:
        for i, token in zip(plain, _invert(weights[plain], uniforms[plain]).tolist(), strict=True):
            chosen[i] = token
    if filtered:
        ids, kept = keep([rows[i].sampling for i in filtered], weights[filtered])
        places = _invert(kept, uniforms[filtered])
        for i, token in zip(filtered, ids.gather(1, places[:, None])[:, 0].tolist(), strict=True):
            chosen[i] = token
    return chosen


def _filters(sampling: Sampling, vocab: int) -> bool:
    return bool(0 < sampling.top_k < vocab or sampling.top_p < 1 or sampling.min_p)


def keep(samplings: Sequence[Sampling], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Apply top_k, then top_p, then min_p.

    Args:
        weights: float64 [rows, vocab], in proportion to the probabilities.

    Returns:
        ids [rows, n], most likely first, the lower id first on a tie, and their weights, 0 for what is not kept.
    """
    device, vocab = weights.device, weights.shape[-1]
    top_k = torch.tensor([min(s.top_k or vocab, vocab) for s in samplings], device=device)
    top_p = torch.tensor([s.top_p for s in samplings], dtype=torch.float64, device=device)
    min_p = torch.tensor([s.min_p for s in samplings], dtype=torch.float64, device=device)
    ids, ordered = _candidates(weights, top_k, top_p, min_p)
    ranks = torch.arange(ids.shape[1], device=device)
    ordered = ordered.where(ranks[None, :] < top_k[:, None], 0.0)
    # The nucleus is taken of what top_k leaves; without top_k, of the whole vocabulary.
    total = torch.where(top_k < vocab, ordered.sum(dim=-1), weights.sum(dim=-1))
    before = ordered.cumsum(dim=-1) - ordered
    inside = (before < (top_p * total)[:, None]) & (ordered >= (min_p * ordered[:, 0])[:, None])
    inside[:, 0] = True
    return ids, ordered.where(inside, 0.0)


def _candidates(weights: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the few ids that the filters could keep, instead of the whole vocabulary.

    Ids each below (1 - top_p)/vocab of the mass hold less than 1 - top_p of it together: the nucleus is in the others.
    With top_k, its k are all needed, since the nucleus is a share of their mass.
    """
    vocab = weights.shape[-1]
    limited = top_k < vocab
    nucleus = (1 - top_p) / vocab * weights.sum(dim=-1) * (1 - 1e-9)
    floor = torch.maximum(min_p * weights.amax(dim=-1), nucleus).where(~limited, 0.0)
    if bool(limited.any()):
        widest = int(top_k.where(limited, 1).max())
        largest = weights.topk(widest, dim=-1).values
        least = largest.gather(1, (top_k.clamp(max=widest) - 1)[:, None])[:, 0]
        floor = torch.maximum(floor, least.where(limited, 0.0))
    count = int((weights >= floor[:, None]).sum(dim=-1).max())
    ids = weights.topk(count, dim=-1).indices.sort(dim=-1).values
    ordered, order = weights.gather(1, ids).sort(dim=-1, descending=True, stable=True)
    return ids.gather(1, order), ordered


def _invert(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Find where the cumulative weights pass the uniform share of their total.

    Args:
        weights: float64 [rows, n].
        uniforms: float64 [rows], in [0, 1).

    Returns:
        [rows] places, each of positive weight.
    """
    cumulative = weights.cumsum(dim=-1)
    places = torch.searchsorted(cumulative, (uniforms * cumulative[:, -1])[:, None], right=True)[:, 0]
    # u * total < total except by rounding; the last place of positive weight is then the right one.
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())[:, 0]
    return torch.minimum(places, last)


def uniform(seeds: Sequence[int], positions: Sequence[int]) -> NDArray[np.float64]:
    """Give the uniform number in [0, 1) of each (seed, position): 53 bits of Philox4x32-10."""
    words = philox([seed & 0xFFFFFFFF for seed in seeds], [seed >> 32 for seed in seeds], positions)
    bits = (words[0] << _32 | words[1]) >> np.uint64(11)
    uniforms: NDArray[np.float64] = bits.astype(np.float64) * 2.0**-53
    return uniforms


def philox(
    low_keys: Sequence[int], high_keys: Sequence[int], counters: Sequence[int]
) -> tuple[Words, Words, Words, Words]:
    """Philox4x32-10 of 128-bit counters under 64-bit keys; each returned word holds 32 bits."""
    keys = [np.array(low_keys, dtype=np.uint64), np.array(high_keys, dtype=np.uint64)]
    c0, c1, c2, c3 = (
        np.array([counter >> shift & 0xFFFFFFFF for counter in counters], dtype=np.uint64) for shift in (0, 32, 64, 96)
    )
    for _ in range(10):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            second >> _32 ^ c1 ^ keys[0],
            second & _LOW,
            first >> _32 ^ c3 ^ keys[1],
            first & _LOW,
        )
        keys = [(key + weyl) & _LOW for key, weyl in zip(keys, _WEYL, strict=True)]
    return c0, c1, c2, c3
