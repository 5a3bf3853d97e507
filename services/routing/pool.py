"""Workers that are each as good as the other, and the choice among them. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from services.routing.affinity import rank
from services.routing.upstream import Upstream

_MOST_LOAD = 1.25
"""Of the mean load, above which an upstream gets nothing for affinity's sake, one call aside."""


class Pool:
    """Upstreams of one model.

    Attributes:
        upstreams: may come and go.
    """

    def __init__(self, name: str, upstreams: list[Upstream], rng: random.Random) -> None:
        self.name = name
        self.upstreams = upstreams
        self._rng = rng

    def choose(
        self, fit: Callable[[Upstream], bool], tried: Collection[Upstream], tokens: int = 1, key: bytes | None = None
    ) -> Upstream | None:
        """Choose by affinity where there is a key, else by the power of two random choices.

        Those with a free slot come first.

        Args:
            fit: says which can be chosen.
            tried: those that were and failed.
            tokens: what is to be done.
            key: of calls that are better answered by the same upstream.
        """
        candidates = [upstream for upstream in self.upstreams if fit(upstream) and upstream not in tried]
        candidates = [upstream for upstream in candidates if upstream.has_slot] or candidates
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return self._of_two(candidates) if key is None else _by_affinity(candidates, tokens, key)

    def _of_two(self, candidates: list[Upstream]) -> Upstream:
        """Of two that are drawn by weight, take the one with less to do.

        Where weights differ the same one may be drawn twice: else a small share would become half of a light load.
        """
        weights = [upstream.effective_weight for upstream in candidates]
        differ = len(set(weights)) > 1
        drawn = self._rng.choices(candidates, weights, k=2) if differ else self._rng.sample(candidates, 2)
        return min(drawn, key=lambda upstream: upstream.load)


def _by_affinity(candidates: list[Upstream], tokens: int, key: bytes) -> Upstream:
    """Take the key's own upstream, or its next one, and so on, where one has much more to do than the others.

    That is consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016), in tokens.
    """
    ranked = sorted(candidates, key=lambda upstream: rank(key, upstream.address, upstream.weight), reverse=True)
    mean = sum(upstream.work for upstream in candidates) / sum(upstream.effective_weight for upstream in candidates)
    for upstream in ranked:
        if upstream.work <= _MOST_LOAD * mean * upstream.effective_weight + tokens:
            return upstream
    return ranked[0]
