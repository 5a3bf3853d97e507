"""A model that upstreams serve: its pools, in order."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.admission.admission import Admission
from services.admission.limit import Limiter, LimitsConfig
from services.guard.config import GuardKind
from services.routing.budget import RetryBudget
from services.routing.pool import Pool
from services.routing.upstream import Upstream
from services.time_limit import time_limit

_FITS: Sequence[Callable[[Upstream], bool]] = (
    lambda upstream: upstream.available,
    lambda upstream: upstream.open,
    lambda upstream: upstream.leaving,
)
"""Who is given calls; those of a later line where there is nobody of an earlier one."""

_log = logging.getLogger(__name__)


def _any(_: Upstream) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is to answer a call."""

    pool: Pool
    upstream: Upstream


class Route:
    """One routed model.

    Attributes:
        name: what requests call it, and upstreams do.
        aliases: other names, known here.
        guard: what kind of guard it is.
        pools: in order.
        budget: of its retries.
        limiter: of what each caller may ask of it.
        admission: lets in what its upstreams can compute at once.
        retries: calls that were made again before anything had come of them, so far.
        resumes: streams that went on with another upstream, so far.
        served_until: when its last upstream ceased to serve it, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        name: str,
        aliases: Sequence[str],
        guard: GuardKind,
        budget: RetryBudget,
        max_queue: int = 256,
        max_wait_s: float = 60.0,
        limits: LimitsConfig | None = None,
    ) -> None:
        """Take how many outputs may wait here, and how long, for places at the upstreams, and callers' limits."""
        self.name = name
        self.aliases = tuple(aliases)
        self.guard = guard
        self.pools: Sequence[Pool] = ()
        self.budget = budget
        self.limiter = Limiter(limits or LimitsConfig(), time.monotonic, name)
        self.admission = Admission(name, lambda: self.slots, max_queue, max_wait_s)
        self.retries = 0
        self.resumes = 0
        self.served_until = -math.inf
        self._served = False
        self._answering = 0
        """Which pool was chosen last."""
        self._changed = asyncio.Event()

    @property
    def is_guard(self) -> bool:
        """Whether it is there to judge for others."""
        return self.guard is not GuardKind.none

    @property
    def upstreams(self) -> list[Upstream]:
        """All of them."""
        return [upstream for pool in self.pools for upstream in pool.upstreams]

    @property
    def serving(self) -> bool:
        """Whether any upstream serves it."""
        return any(upstream.open or upstream.leaving for upstream in self.upstreams)

    @property
    def slots(self) -> int | None:
        """Outputs that its upstreams compute at once: those of the pool that answers. None where that isn't known.

        Those that have only just come, and have not answered yet, are not counted beside others, and as one each alone.

        While none answers, as many as the first pool's did: what comes meanwhile is not to come upon them all at once.
        """
        for fit in (*_FITS, _any):
            for pool in self.pools:
                if found := [upstream for upstream in pool.upstreams if fit(upstream)]:
                    asked = [upstream.slots for upstream in found if upstream.asked]
                    if not asked and fit is not _any:
                        return len(found)
                    known = [slots for slots in asked if slots is not None]
                    return sum(known) if known and len(known) == len(asked) else None
        return None

    def choose(self, tried: Collection[Upstream] = (), tokens: int = 1, key: bytes | None = None) -> Choice | None:
        """Choose from the first pool that has an available upstream which was not tried.

        Where there is none, one that is ejected is better than none at all, and so is one that is about to go. The rest
        is as for `Pool.choose`.
        """
        for fit in _FITS:
            for number, pool in enumerate(self.pools):
                upstream = pool.choose(fit, tried, tokens, key)
                if upstream is not None:
                    self._note(number, pool, tried)
                    return Choice(pool, upstream)
        return None

    def changed(self) -> None:
        """Wake who waits: an upstream serves, or no longer does, or its slots are known."""
        if self._served and not self.serving:
            self.served_until = time.monotonic()
        self._served = self.serving
        self._changed.set()
        self._changed = asyncio.Event()
        self.admission.look()

    async def news(self, seconds: float) -> None:
        """Wait until an upstream serves or no longer does, but no longer than so many seconds."""
        with suppress(asyncio.TimeoutError), time_limit(seconds):
            await self._changed.wait()

    def _note(self, number: int, pool: Pool, tried: Collection[Upstream]) -> None:
        if number != self._answering and not tried:
            _log.warning("model %s is answered by pool %s", self.name, pool.name)
            self._answering = number
