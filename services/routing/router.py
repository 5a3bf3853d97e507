"""The models that other processes compute: their routes, the connections to their workers, and calls to them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import grpc.aio

from services.routing.budget import RetryBudget
from services.routing.config import RoutedModelConfig, RoutingConfig
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

    def __init__(self, config: RoutingConfig, max_request_bytes: int, max_response_bytes: int) -> None:
        """Take the sizes of the largest messages that are relayed, in bytes."""
        self.config = config
        self.routes: Sequence[Route] = ()
        self._options = _options(config, max_request_bytes + _SUFFIX_BYTES, max_response_bytes)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._rng = random.Random()

    def start(self) -> None:
        """Connect to every upstream, and follow its health."""
        self.routes = [self._route(model) for model in self.config.models.values()]
        loop = asyncio.get_running_loop()
        self._watching = [loop.create_task(upstream.watch()) for route in self.routes for upstream in route.upstreams]

    def find(self, name: str) -> Route | None:
        """Find a routed model by name or alias."""
        return next((route for route in self.routes if name in (route.name, *route.aliases)), None)

    async def heard(self, seconds: float) -> None:
        """Wait until it is known of every upstream whether it serves, but no longer than so many seconds."""
        waiting = [
            asyncio.ensure_future(upstream.heard.wait()) for route in self.routes for upstream in route.upstreams
        ]
        if waiting:
            _, unheard = await asyncio.wait(waiting, timeout=seconds)
            for task in unheard:
                task.cancel()

    async def close(self) -> None:
        """Ask no more, and close the connections."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    def _route(self, model: RoutedModelConfig) -> Route:
        retry = self.config.retry
        budget = RetryBudget(retry.budget_ratio, retry.budget_min_per_s, time.monotonic)
        route = Route(model.name, model.aliases, model.guard, budget)
        route.pools = [
            Pool(
                pool.name,
                [
                    Upstream(
                        model.name,
                        upstream,
                        self._channel(upstream.address),
                        OutlierDetector(self.config.outlier, time.monotonic),
                        route.changed,
                    )
                    for upstream in pool.upstreams
                ],
                self._rng,
            )
            for pool in model.pools
        ]
        return route

    def _channel(self, address: str) -> grpc.aio.Channel:
        """Give the connection to a worker: one, however many models it serves."""
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(address, options=self._options)
        return self._channels[address]


def _options(config: RoutingConfig, max_send_bytes: int, max_receive_bytes: int) -> list[tuple[str, Any]]:
    """Channel arguments (grpc_types.h); times are in milliseconds there."""
    return [
        ("grpc.use_local_subchannel_pool", 1),  # another server of this process has connections of its own
        ("grpc.enable_retries", 0),  # retries are made here, where they can be counted
        ("grpc.max_send_message_length", max_send_bytes),
        ("grpc.max_receive_message_length", max_receive_bytes),
        ("grpc.keepalive_time_ms", round(config.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(config.keepalive_timeout_s * 1000)),
        ("grpc.http2.ping_timeout_ms", round(config.keepalive_timeout_s * 1000)),  # of pings that measure the way, too
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
