"""A gateway in front of workers, and the wires between them, which can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from benchmarks.fleet import Wire
from services.config import ModelConfig
from services.guard.config import GuardKind
from services.routing.config import (
    OutlierConfig,
    PoolConfig,
    RetryConfig,
    RoutedModelConfig,
    RoutingConfig,
    UpstreamConfig,
)
from tests.service.rig import MODEL, Rig, serving, soon, until


def pool(*addresses: str, name: str = "main") -> PoolConfig:
    """Configure a pool."""
    return PoolConfig(name, [UpstreamConfig(address) for address in addresses])


def routed(*pools: PoolConfig, name: str = MODEL, **settings: Any) -> RoutedModelConfig:
    """Configure a routed model."""
    return RoutedModelConfig(name, pools=list(pools), **settings)


def routing(*models: RoutedModelConfig, retry: dict[str, Any] | None = None, **outlier: Any) -> RoutingConfig:
    """Configure routing, without slow start and ejection: tests don't depend on which worker failed before."""
    return RoutingConfig(
        models={model.name: model for model in models},
        outlier=OutlierConfig(**{"slow_start_s": 0.0, "consecutive_failures": 1000, **outlier}),
        retry=RetryConfig(**(retry or {})),
    )


@asynccontextmanager
async def gateway(
    *workers: Sequence[ModelConfig] | ModelConfig,
    backends: Sequence[Any] = (),
    retry: dict[str, Any] | None = None,
    aliases: Sequence[str] = (),
    guard: GuardKind = GuardKind.none,
    fallback: bool = False,
    **server: Any,
) -> AsyncIterator[tuple[Rig, list[Rig], list[Wire]]]:
    """Serve workers and a gateway in front of them; yields it, them, and the wires between.

    Args:
        workers: each one's model.
        backends: that take the place of theirs.
        fallback: each worker is a pool of its own, named by its number.
        server: settings of the gateway.
    """
    async with AsyncExitStack() as stack:
        rigs, wires = [], []
        for number, model in enumerate(workers):
            backend = backends[number] if backends else None
            rigs.append(await stack.enter_async_context(serving(model, backend=backend)))
            wires.append(await wired(rigs[-1], stack))
        addresses = [wire.address for wire in wires]
        pools = [pool(a, name=str(n)) for n, a in enumerate(addresses)] if fallback else [pool(*addresses)]
        config = routing(routed(*pools, name=workers[0].name, aliases=list(aliases), guard=guard), retry=retry)
        rig = await stack.enter_async_context(serving(routing=config, **server))
        await soon(rig.server.router.heard(10.0))
        yield rig, rigs, wires


async def wired(worker: Rig, stack: AsyncExitStack) -> Wire:
    """Lay a wire to a worker."""
    wire = Wire(worker.address)
    await wire.mend()
    stack.push_async_callback(wire.close)
    return wire


async def until_serving(rig: Rig, upstreams: int, name: str = MODEL) -> None:
    """Wait until the gateway has so many upstreams of a model that serve."""

    async def reached() -> bool:
        route = rig.server.router.find(name)
        return route is not None and sum(upstream.serving for upstream in route.upstreams) == upstreams

    await until(reached)
