"""Logprobs of given ids: natural, of the softmax of the raw logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backends.types import Candidate, TokenLogprob


def score(logits: Tensor, ids: Sequence[int], counts: Sequence[int]) -> list[TokenLogprob]:
    """Score one id per row.

    Args:
        logits: raw, float32 [rows, vocab].
        ids: the id to score in each row.
        counts: how many of the most likely candidates to name in each row.

    Returns:
        one entry per row; the rank is 1 plus the number of ids with a strictly higher logit.
    """
    logprobs = torch.log_softmax(logits, dim=-1)
    target = torch.tensor(ids, device=logits.device)[:, None]
    chosen = logprobs.gather(1, target)[:, 0].tolist()
    ranks = ((logits > logits.gather(1, target)).sum(dim=-1) + 1).tolist()
    best = logprobs.topk(min(max(counts), logits.shape[-1]), dim=-1)
    values, tokens = best.values.tolist(), best.indices.tolist()
    return [
        TokenLogprob(
            min(0.0, chosen[i]),
            ranks[i],
            tuple(
                Candidate(token, min(0.0, value)) for token, value in zip(tokens[i][:count], values[i], strict=False)
            ),
        )
        for i, count in enumerate(counts)
    ]
