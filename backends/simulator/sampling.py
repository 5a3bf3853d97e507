"""Choosing the next id from the logits above the floor, in the order that `Sampling` documents."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate

from backends.simulator.model import FLOOR_LOGIT
from backends.types import Sampling

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def edits_logits(sampling: Sampling) -> bool:
    """Tell whether the logits change before the choice, by penalties or bias."""
    return bool(
        sampling.repetition_penalty != 1.0
        or sampling.presence_penalty
        or sampling.frequency_penalty
        or sampling.logit_bias
    )


def edited(
    logits: dict[int, float], sampling: Sampling, prompt: frozenset[int], answer: Counter[int]
) -> dict[int, float]:
    """Apply penalties and bias.

    Args:
        logits: those above the floor; ids that an edit touches join them.
        sampling: what to apply.
        prompt: the distinct ids of the prompt.
        answer: the ids of the answer so far, counted.
    """
    result = dict(logits)
    seen = prompt | answer.keys() if sampling.repetition_penalty != 1.0 else ()
    for token_id in (*seen, *answer, *(token_id for token_id, _ in sampling.logit_bias)):
        result.setdefault(token_id, FLOOR_LOGIT)
    for token_id in seen:
        logit, penalty = result[token_id], sampling.repetition_penalty
        result[token_id] = logit / penalty if logit > 0 else logit * penalty
    for token_id, times in answer.items():
        result[token_id] -= sampling.presence_penalty + times * sampling.frequency_penalty
    for token_id, bias in sampling.logit_bias:
        result[token_id] += bias
    return result


def allowed(logits: dict[int, float], barred: frozenset[int], vocab_size: int) -> dict[int, float]:
    """Leave out barred ids, and list the lowest of the ids at the floor, to stand for them all."""
    result = {token_id: logit for token_id, logit in logits.items() if token_id not in barred}
    for token_id in range(vocab_size):
        if token_id not in logits and token_id not in barred:
            result[token_id] = FLOOR_LOGIT
            break
    return result


def uniform(seed: int, position: int) -> float:
    """Draw from [0, 1) as a function of (seed, position) alone, with SplitMix64's output function."""
    return (_mixed(_mixed(seed) + position & _MASK) >> 11) / 2.0**53


def _mixed(value: int) -> int:
    value = value + 0x9E3779B97F4A7C15 & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def choose(logits: dict[int, float], sampling: Sampling, position: int) -> int:
    """Choose an id from logits that are final but for temperature and truncation."""
    ranked = sorted(logits.items(), key=lambda item: (-item[1], item[0]))
    if sampling.temperature == 0:
        return ranked[0][0]
    highest = ranked[0][1]
    weights = [math.exp((logit - highest) / sampling.temperature) for _, logit in ranked]
    return ranked[draw(weights, sampling, position)][0]


def draw(weights: list[float], sampling: Sampling, position: int) -> int:
    """Truncate by top_k, top_p and min_p, draw, and return the rank drawn.

    Args:
        weights: of the ids, most likely first, the first one being 1.
        sampling: the truncation and the seed.
        position: in the answer.
    """
    kept = min(sampling.top_k or len(weights), len(weights))
    sums = list(accumulate(weights[:kept]))
    if sampling.top_p < 1.0:
        enough = sampling.top_p * sums[-1]
        kept = 1 + next(rank for rank, reached in enumerate(sums) if reached >= enough)
    while weights[kept - 1] < sampling.min_p:
        kept -= 1
    target = uniform(sampling.seed, position) * sums[kept - 1]
    return next((rank for rank, reached in enumerate(sums) if reached > target), kept - 1)
