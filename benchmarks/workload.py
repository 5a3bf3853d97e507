"""What is asked of an engine or a server, and how the answers' times become figures.

The figures, everywhere: a request's TTFT is from when it was due to when its first token was there, so waiting for a
place counts. Its TPOT is the mean time between its tokens after the first. Tokens/s are those of all answers over the
time from the first request's arrival to the last one's end.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.checkpoint import PROMPT_IDS


@dataclass(frozen=True)
class Request:
    """A prompt of token ids, due so many seconds after the start, and answered by exactly `tokens` tokens."""

    due_s: float
    prompt: list[int]
    tokens: int


@dataclass(frozen=True)
class Timeline:
    """When a request was due, had its first token, and had its last, in seconds since the same start."""

    due_s: float
    first_s: float
    last_s: float
    tokens: int

    @property
    def ttft_s(self) -> float:
        return self.first_s - self.due_s

    @property
    def tpot_s(self) -> float | None:
        """None for an answer of one token."""
        return (self.last_s - self.first_s) / (self.tokens - 1) if self.tokens > 1 else None


def together(streams: int, prompt: int, tokens: int, seed: int = 0) -> list[Request]:
    """Requests of the same lengths, all due at once, each with a prompt of its own."""
    rng = random.Random(seed)
    return [Request(0.0, _prompt(rng, prompt), tokens) for _ in range(streams)]


def mixed(count: int, rate: float = math.inf, *, scale: int = 1, seed: int = 0) -> list[Request]:
    """Give requests of mixed lengths, arriving as a Poisson process of so many per second; `inf` is all at once.

    Prompts have 16 to 512 tokens, most of them short (uniform in the logarithm), answers 16 to 128 (uniform); `scale`
    divides them all.
    """
    rng = random.Random(seed)
    gaps = [0.0] + [rng.expovariate(1.0) / rate for _ in range(count - 1)]
    return [
        Request(due, _prompt(rng, round(16 * 2 ** rng.uniform(0, 5)) // scale), rng.randint(16, 128) // scale)
        for due in itertools.accumulate(gaps)
    ]


def renewed(requests: Sequence[Request], seed: int) -> list[Request]:
    """Give the same workload with other prompts, so that nobody has seen their beginnings."""
    rng = random.Random(seed)
    return [replace(request, prompt=_prompt(rng, len(request.prompt))) for request in requests]


def _prompt(rng: random.Random, length: int) -> list[int]:
    return rng.choices(PROMPT_IDS, k=length)


def summary(timelines: Sequence[Timeline]) -> dict[str, Any]:
    """Sum up one run."""
    seconds = max(t.last_s for t in timelines) - min(t.due_s for t in timelines)
    tokens = sum(t.tokens for t in timelines)
    return {
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_s": tokens / seconds,
        "ttft_s": percentiles([t.ttft_s for t in timelines]),
        "tpot_s": percentiles([t.tpot_s for t in timelines if t.tpot_s is not None]),
    }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Give p50, p95 and p99 by linear interpolation; None for no values."""
    if len(values) < 2:
        return dict.fromkeys(("p50", "p95", "p99"), values[0]) if values else None
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}
