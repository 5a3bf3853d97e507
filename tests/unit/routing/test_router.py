"""Pools whose workers are connected to anew."""

from __future__ import annotations

import asyncio

from services.routing.config import PoolConfig, RoutedModelConfig, RoutingConfig, UpstreamConfig
from services.routing.router import Router


async def test_two_changes_of_certificates_leave_each_worker_once():
    upstreams = [UpstreamConfig("127.0.0.1:1", 2.0), UpstreamConfig("127.0.0.1:2")]
    router = Router(RoutingConfig({"m": RoutedModelConfig("m", pools=[PoolConfig("main", upstreams)])}), 2**20, 2**20)
    router.start()
    route = router.routes[0]
    pool = route.pools[0]
    pool.upstreams[0].slots, pool.upstreams[0].asked = 4, True
    credential = pool.upstreams[0].credential

    router._reconnect(route, pool, credential)
    router._reconnect(route, pool, credential)
    await asyncio.gather(*router._retiring)

    assert [(one.address, one.weight, one.slots) for one in pool.upstreams] == [
        ("127.0.0.1:1", 2.0, 4),
        ("127.0.0.1:2", 1.0, None),
    ]
    await router.close()
