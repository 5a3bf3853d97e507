"""A toy language model: deterministic, honest about its logits, and cheap.

A hash of the whole context picks `CANDIDATES` ids and an even slope of logits down from `TOP_LOGIT`. Every other
id of the vocabulary has `FLOOR_LOGIT`: as good as impossible, but within reach of a logit bias. A planned id (of a
script or an echo) stands above all of them with `PLANNED_LOGIT`. The most likely id costs one multiplication and
one remainder.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence

from backends.types import Candidate, TokenLogprob

CANDIDATES = 20
TOP_LOGIT = 8.0
PLANNED_LOGIT = 40.0
FLOOR_LOGIT = -40.0

_MIX = 0x9E3779B97F4A7C15
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_SLOPES = 256


def context_of(token_ids: Sequence[int]) -> int:
    """Hash a context. The same on every machine, so that another worker can resume an answer."""
    return zlib.crc32(struct.pack(f"<{len(token_ids)}I", *token_ids))


def extended(context: int, token_id: int) -> int:
    """Hash the context that is one id longer."""
    return zlib.crc32(token_id.to_bytes(4, "little"), context)


class ToyModel:
    """Logits as a function of the context.

    Args:
        vocab_size: ids are below it.
        first_token_id: the lowest id that the hash picks.
        last_token_id: the highest; at least `CANDIDATES` ids lie between them.
    """

    def __init__(self, vocab_size: int, first_token_id: int, last_token_id: int) -> None:
        if not 0 <= first_token_id <= last_token_id < vocab_size:
            raise ValueError(
                f"ids {first_token_id} to {last_token_id} are no range within a vocabulary of {vocab_size}"
            )
        self.vocab_size = vocab_size
        self._first = first_token_id
        self._span = last_token_id - first_token_id + 1
        if self._span < CANDIDATES:
            raise ValueError(f"at least {CANDIDATES} ids are needed from first to last_token_id, not {self._span}")

    def top(self, context: int) -> int:
        """Return the most likely id."""
        return self._first + ((context * _MIX & _MASK) >> 32) % self._span

    def slope(self, context: int) -> float:
        """Return by how much each candidate's logit lies below the one before."""
        return 0.1 + (context * _MIX & _MASK) % _SLOPES / _SLOPES

    def candidate(self, context: int, rank: int) -> int:
        """Return the candidate at a rank, 0 for the most likely id."""
        mixed = context * _MIX & _MASK
        stride = 1 + (mixed >> 16) % (self._span // CANDIDATES)
        return self._first + ((mixed >> 32) + rank * stride) % self._span

    def logits(self, context: int, planned: int | None = None) -> dict[int, float]:
        """Return the logits above the floor, most likely first."""
        slope = self.slope(context)
        above = {} if planned is None else {planned: PLANNED_LOGIT}
        for rank in range(CANDIDATES):
            above.setdefault(self.candidate(context, rank), TOP_LOGIT - slope * rank)
        return above

    def logprob(self, logits: dict[int, float], token_id: int, candidates: int) -> TokenLogprob:
        """Report an id's logprob beside those of the most likely ids.

        Args:
            logits: as `logits` returned them.
            token_id: any id of the vocabulary.
            candidates: how many to report, at most `CANDIDATES`.
        """
        highest = next(iter(logits.values()))
        mass = sum(math.exp(logit - highest) for logit in logits.values())
        mass += (self.vocab_size - len(logits)) * math.exp(FLOOR_LOGIT - highest)
        normalizer = highest + math.log(mass)
        logit = logits.get(token_id, FLOOR_LOGIT)
        return TokenLogprob(
            logprob=min(0.0, logit - normalizer),
            rank=1 + sum(other > logit for other in logits.values()),
            candidates=tuple(
                Candidate(candidate, min(0.0, value - normalizer))
                for candidate, value in list(logits.items())[:candidates]
            ),
        )


def class_logits(window: Sequence[int], num_labels: int) -> list[float]:
    """Score a window, each class between -4 and 4."""
    context = context_of(window)
    return [extended(context, label) / 2.0**29 - 4.0 for label in range(num_labels)]
