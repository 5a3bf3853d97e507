"""The workers of a pool that discovery finds: they come, they go, and their streams end first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from services.routing.endpoint import Standing
from services.routing.pool import Pool
from services.routing.upstream import Upstream

_SETTLE_S = 1.0
"""Seconds after which an endpoint that is told no more is taken to be gone: one that moves between slices is back."""


class Members:
    """Of one pool."""

    def __init__(
        self,
        pool: Pool,
        make: Callable[[str], Upstream],
        drop: Callable[[Upstream], None],
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Take a pool, whose upstreams so far are configured and stay; what makes and ends one; and who owns tasks."""
        self._pool = pool
        self._configured = frozenset(upstream.address for upstream in pool.upstreams)
        self._make = make
        self._drop = drop
        self._run = run
        self._told: Mapping[str, Standing] = {}
        self._sweeping = False

    def resolved(self, addresses: Collection[str]) -> None:
        """Take the addresses that a name has now. One that is gone stays while its worker serves."""
        known = {upstream.address for upstream in self._pool.upstreams}
        self._pool.upstreams += [self._make(address) for address in addresses if address not in known]
        for upstream in self._found():
            if upstream.address not in addresses and not (upstream.serving or upstream.work):
                self._remove(upstream)

    def told(self, endpoints: Mapping[str, Standing]) -> None:
        """Take every endpoint that there is now, and whether it may be given calls.

        One that may not keeps its streams and its connection; so does one that is gone, until its streams have ended.
        One that is about to go when it is first heard of may be all that there is.
        """
        self._told = endpoints
        known = {upstream.address for upstream in self._pool.upstreams}
        new = [address for address, standing in endpoints.items() if standing and address not in known]
        self._pool.upstreams += [self._make(address) for address in new]
        for upstream in self._found():
            if upstream.address in endpoints:
                upstream.stand(endpoints[upstream.address])
        if self._gone() and not self._sweeping:
            self._sweeping = True
            self._run(self._sweep())

    async def _sweep(self) -> None:
        """Remove what is gone for a while, when its last call has ended."""
        try:
            while gone := set(self._gone()):
                await asyncio.sleep(_SETTLE_S)
                for upstream in self._gone():
                    if upstream in gone:
                        upstream.stand(Standing.out)
                        if not upstream.work:
                            self._remove(upstream)
        finally:
            self._sweeping = False

    def _gone(self) -> list[Upstream]:
        return [upstream for upstream in self._found() if upstream.address not in self._told]

    def _found(self) -> list[Upstream]:
        return [upstream for upstream in self._pool.upstreams if upstream.address not in self._configured]

    def _remove(self, upstream: Upstream) -> None:
        self._pool.upstreams.remove(upstream)
        self._drop(upstream)
