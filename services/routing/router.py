"""The models that other processes compute: their routes, and the workers behind them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Sequence
from functools import partial

from services.routing.budget import RetryBudget
from services.routing.channel import Channels
from services.routing.config import PoolConfig, RoutedModelConfig, RoutingConfig, UpstreamConfig
from services.routing.discovery import Discovery, Resolve, resolve
from services.routing.outlier import OutlierDetector
from services.routing.pool import Pool
from services.routing.route import Route
from services.routing.upstream import Upstream

_SUFFIX_BYTES = 2**16
"""What a request grows by when its seed and its model's name are written into it."""


class Router:
    """Every routed model of a server.

    Life cycle: `start` connects and follows the workers' health -> `close`.

    Attributes:
        config: as configured.
        routes: one per model.
    """

    def __init__(
        self, config: RoutingConfig, max_request_bytes: int, max_response_bytes: int, ask: Resolve = resolve
    ) -> None:
        """Take the sizes of the largest messages that are relayed, in bytes, and who resolves host names."""
        self.config = config
        self.routes: Sequence[Route] = ()
        self._channels = Channels(config, max_request_bytes + _SUFFIX_BYTES, max_response_bytes)
        self._ask = ask
        self._discoveries: dict[Discovery, asyncio.Task[None]] = {}
        self._watching: dict[Upstream, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._rng = random.Random()

    def start(self) -> None:
        """Connect to every upstream, and follow its health."""
        self.routes = [self._route(model) for model in self.config.models.values()]

    def find(self, name: str) -> Route | None:
        """Find a routed model by name or alias."""
        return next((route for route in self.routes if name in (route.name, *route.aliases)), None)

    async def heard(self, seconds: float) -> None:
        """Wait until it is known of every upstream whether it serves, but no longer than so many seconds."""
        try:
            await asyncio.wait_for(self._heard(), seconds)
        except asyncio.TimeoutError:
            return

    async def close(self) -> None:
        """Ask no more, and close the connections."""
        tasks = [*self._discoveries.values(), *self._watching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)
        await self._channels.close()

    async def _heard(self) -> None:
        await asyncio.gather(*(discovery.heard.wait() for discovery in self._discoveries))
        await asyncio.gather(*(upstream.heard.wait() for upstream in self._watching))

    def _route(self, model: RoutedModelConfig) -> Route:
        retry = self.config.retry
        budget = RetryBudget(retry.budget_ratio, retry.budget_min_per_s, time.monotonic)
        route = Route(model.name, model.aliases, model.guard, budget)
        route.pools = [self._pool(route, pool) for pool in model.pools]
        return route

    def _pool(self, route: Route, config: PoolConfig) -> Pool:
        pool = Pool(config.name, [self._upstream(route, upstream) for upstream in config.upstreams], self._rng)
        if config.dns is not None:
            found = partial(self._found, route, pool, frozenset(upstream.address for upstream in config.upstreams))
            discovery = Discovery(config.dns, self.config.dns_refresh_s, self._ask, found)
            self._discoveries[discovery] = asyncio.get_running_loop().create_task(discovery.follow())
        return pool

    def _upstream(self, route: Route, config: UpstreamConfig) -> Upstream:
        channel = self._channels.acquire(config.address)
        outlier = OutlierDetector(self.config.outlier, time.monotonic)
        upstream = Upstream(route.name, config, channel, outlier, route.changed)
        self._watching[upstream] = asyncio.get_running_loop().create_task(upstream.watch())
        return upstream

    def _found(self, route: Route, pool: Pool, configured: Collection[str], addresses: Collection[str]) -> None:
        """Take the addresses that a pool's name has now. One that is gone stays while its worker serves."""
        known = {upstream.address: upstream for upstream in pool.upstreams}
        for address in addresses:
            if address not in known:
                pool.upstreams.append(self._upstream(route, UpstreamConfig(address)))
        for address, upstream in known.items():
            if address not in addresses and address not in configured and not (upstream.serving or upstream.work):
                pool.upstreams.remove(upstream)
                self._drop(upstream)

    def _drop(self, upstream: Upstream) -> None:
        self._watching.pop(upstream).cancel()
        closing = asyncio.get_running_loop().create_task(self._channels.release(upstream.address))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
