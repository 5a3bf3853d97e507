"""The models that other processes compute: their routes, and the workers behind them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from services.routing.budget import RetryBudget
from services.routing.channel import Channels
from services.routing.config import PoolConfig, RoutedModelConfig, RoutingConfig, UpstreamConfig
from services.routing.credential import Credential
from services.routing.discovery import Discovery, Resolve, resolve
from services.routing.kubernetes import ApiServer
from services.routing.member import Members
from services.routing.outlier import OutlierDetector
from services.routing.pool import Pool
from services.routing.route import Route
from services.routing.slice_watch import SliceWatch
from services.routing.upstream import Upstream
from services.time_limit import time_limit

_SUFFIX_BYTES = 2**16
"""What a request grows by when its seed and its model's name are written into it."""
_STAND_IN_S = 5.0
"""Seconds to wait for a worker's first word over a new connection."""
_LOOK_S = 0.5
"""How often it is looked whether an old connection's calls have ended."""


class Router:
    """Every routed model of a server.

    Life cycle: `start` connects and follows the workers' health -> `close`.

    Attributes:
        config: as configured.
        routes: one per model.
        files: what it reads, to be followed.
    """

    def __init__(
        self, config: RoutingConfig, max_request_bytes: int, max_response_bytes: int, ask: Resolve = resolve
    ) -> None:
        """Take the sizes of the largest messages that are relayed, in bytes, and who resolves host names.

        Raises:
            ConfigError: a file of a pool's can't be used, or there is no Kubernetes where a pool needs it.
        """
        self.config = config
        pools = [pool for model in config.models.values() for pool in model.pools]
        self._api = ApiServer(config.kubernetes) if any(pool.endpoint_slices for pool in pools) else None
        self._credentials = [
            [
                Credential(f"routing.models.{key}.pools[{number}]", pool, self._namespace(pool))
                for number, pool in enumerate(model.pools)
            ]
            for key, model in config.models.items()
        ]
        self.files = [file for pools in self._credentials for credential in pools for file in credential.files]
        self.routes: Sequence[Route] = ()
        self._channels = Channels(config, max_request_bytes + _SUFFIX_BYTES, max_response_bytes)
        self._ask = ask
        self._discoveries: dict[Discovery | SliceWatch, asyncio.Task[None]] = {}
        self._watching: dict[Upstream, asyncio.Task[None]] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._rng = random.Random()

    def start(self) -> None:
        """Connect to every upstream, and follow its health."""
        models = zip(self.config.models.values(), self._credentials, strict=True)
        self.routes = [self._route(model, credentials) for model, credentials in models]

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
        tasks = [*self._discoveries.values(), *self._watching.values(), *self._retiring]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)
        await self._channels.close()

    async def _heard(self) -> None:
        await asyncio.gather(*(discovery.heard.wait() for discovery in self._discoveries))
        await asyncio.gather(*(upstream.heard.wait() for upstream in self._watching))

    def _route(self, model: RoutedModelConfig, credentials: Sequence[Credential]) -> Route:
        retry = self.config.retry
        budget = RetryBudget(retry.budget_ratio, retry.budget_min_per_s, time.monotonic)
        route = Route(model.name, model.aliases, model.guard, budget, model.max_queue, model.max_wait_s, model.limits)
        route.pools = [self._pool(route, *pool) for pool in zip(model.pools, credentials, strict=True)]
        return route

    def _pool(self, route: Route, config: PoolConfig, credential: Credential) -> Pool:
        upstreams = [self._upstream(route, upstream, credential) for upstream in config.upstreams]
        pool = Pool(config.name, upstreams, self._rng)
        for discovery in self._following(config, self._members(route, pool, credential)):
            self._discoveries[discovery] = asyncio.get_running_loop().create_task(discovery.follow())
        if credential.tls is not None:
            credential.tls.changed = partial(self._reconnect, route, pool, credential)
        return pool

    def _members(self, route: Route, pool: Pool, credential: Credential) -> Members:
        def make(address: str) -> Upstream:
            return self._upstream(route, UpstreamConfig(address), credential)

        return Members(pool, make, self._drop, partial(self._own, tasks=self._retiring))

    def _following(self, config: PoolConfig, members: Members) -> Iterator[Discovery | SliceWatch]:
        if config.dns is not None:
            yield Discovery(config.dns, self.config.dns_refresh_s, self._ask, members.resolved)
        if config.endpoint_slices is not None and self._api is not None:
            yield SliceWatch(self._api, config.endpoint_slices, self._namespace(config), members.told)

    def _namespace(self, pool: PoolConfig) -> str:
        """Give the namespace of a pool's service; empty without one."""
        if pool.endpoint_slices is None or self._api is None:
            return ""
        return pool.endpoint_slices.namespace or self._api.namespace

    def _upstream(self, route: Route, config: UpstreamConfig, credential: Credential) -> Upstream:
        channel = self._channels.acquire(config.address, credential)
        outlier = OutlierDetector(self.config.outlier, time.monotonic)
        upstream = Upstream(route.name, config, channel, outlier, route.changed, credential)
        self._watching[upstream] = asyncio.get_running_loop().create_task(upstream.watch())
        return upstream

    def _reconnect(self, route: Route, pool: Pool, credential: Credential) -> None:
        """Let new calls of a pool go over connections that its new certificates secure."""
        old = list(pool.upstreams)
        latest = {each.address: each for each in old}  # an earlier change's may be there twice, for a moment
        new = [self._upstream(route, UpstreamConfig(each.address, each.weight), credential) for each in latest.values()]
        for one, other in zip(new, latest.values(), strict=True):
            one.stand_in(other)
        pool.upstreams += new
        self._own(self._retire(pool, old, new), self._retiring)

    async def _retire(self, pool: Pool, old: Collection[Upstream], new: Collection[Upstream]) -> None:
        """Take upstreams out of a pool once others stand in for them, and drop them when their last call has ended."""
        with suppress(asyncio.TimeoutError), time_limit(_STAND_IN_S):
            await asyncio.gather(*(upstream.heard.wait() for upstream in new))
        pool.upstreams = [upstream for upstream in pool.upstreams if upstream not in old]
        for upstream in old:
            while upstream.work:  # noqa: ASYNC110 - nobody is in a hurry
                await asyncio.sleep(_LOOK_S)
            if upstream in self._watching:  # discovery may have dropped it before
                self._drop(upstream)

    def _drop(self, upstream: Upstream) -> None:
        self._watching.pop(upstream).cancel()
        self._own(self._channels.release(upstream.channel), self._closing)

    def _own(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
