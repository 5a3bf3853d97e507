"""Workers that are each as good as the other, and the choice among them. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from services.routing.upstream import Upstream


class Pool:
    """Upstreams of one model.

    Attributes:
        upstreams: may come and go.
    """

    def __init__(self, name: str, upstreams: list[Upstream], rng: random.Random) -> None:
        self.name = name
        self.upstreams = upstreams
        self._rng = rng

    def choose(self, fit: Callable[[Upstream], bool], tried: Collection[Upstream]) -> Upstream | None:
        """Choose by the power of two random choices: of two that are drawn by weight, the one with less to do.

        Where weights differ the same one may be drawn twice: else a small share would become half of a light load.

        Args:
            fit: says which can be chosen.
            tried: those that were and failed.
        """
        candidates = [upstream for upstream in self.upstreams if fit(upstream) and upstream not in tried]
        if not candidates:
            return None
        weights = [upstream.effective_weight for upstream in candidates]
        if len(candidates) == 1 or len(set(weights)) > 1:
            drawn = self._rng.choices(candidates, weights, k=2)
        else:
            drawn = self._rng.sample(candidates, 2)
        return min(drawn, key=lambda upstream: upstream.load)
