"""Workers behind a host name come and go."""

from __future__ import annotations

import asyncio

import pytest

from services.routing.config import PoolConfig, RoutedModelConfig, RoutingConfig, UpstreamConfig
from services.routing.discovery import resolve
from services.routing.router import Router


class Dns:
    """Answers with what a test says, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: tuple[str, ...] | Exception = addresses
        self.asked = 0
        self._news = asyncio.Condition()

    async def __call__(self, name: str) -> tuple[str, ...]:
        assert name == "workers:50051"
        async with self._news:
            self.asked += 1
            self._news.notify_all()
        if isinstance(self.addresses, Exception):
            raise self.addresses
        return self.addresses

    async def answer(self, *addresses: str, error: Exception | None = None) -> None:
        """Answer so from now on, and wait until that has been heard."""
        self.addresses = error or addresses
        async with self._news:
            heard = self.asked + 2  # the second question comes when the first answer was dealt with
            await asyncio.wait_for(self._news.wait_for(lambda: self.asked >= heard), 30)


@pytest.fixture
async def router():
    """Make a router whose one pool has a configured upstream and a name."""
    made = []

    def make(dns):
        pools = [PoolConfig("main", [UpstreamConfig("127.0.0.1:1")], dns="workers:50051")]
        config = RoutingConfig(models={"m": RoutedModelConfig("m", pools=pools)}, dns_refresh_s=0.01)
        made.append(Router(config, 2**20, 2**20, dns))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        await one.close()


def addresses(router):
    """Give the upstreams' addresses."""
    return [upstream.address for upstream in router.routes[0].upstreams]


async def test_all_addresses_of_a_name_are_upstreams(router):
    made = router(Dns("127.0.0.1:2", "127.0.0.1:3"))
    await made.heard(30)
    assert addresses(made) == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
    assert not any(upstream.serving for upstream in made.routes[0].upstreams)


async def test_what_is_gone_from_dns_is_dropped_once_it_serves_no_more(router):
    dns = Dns("127.0.0.1:2", "127.0.0.1:3")
    made = router(dns)
    await made.heard(30)
    _, gone, busy = made.routes[0].upstreams
    with busy.working(5):
        await dns.answer("127.0.0.1:4")
        assert addresses(made) == ["127.0.0.1:1", "127.0.0.1:3", "127.0.0.1:4"]
    await dns.answer("127.0.0.1:4")
    assert addresses(made) == ["127.0.0.1:1", "127.0.0.1:4"]
    await dns.answer("127.0.0.1:2", "127.0.0.1:4")
    assert addresses(made) == ["127.0.0.1:1", "127.0.0.1:4", "127.0.0.1:2"]
    assert gone not in made.routes[0].upstreams


@pytest.mark.parametrize("error", [OSError("no such name"), asyncio.TimeoutError()])
async def test_without_an_answer_all_stays(router, caplog, error):
    dns = Dns("127.0.0.1:2")
    made = router(dns)
    await made.heard(30)
    await dns.answer(error=error)
    await dns.answer(error=error)
    assert addresses(made) == ["127.0.0.1:1", "127.0.0.1:2"]
    assert len([record for record in caplog.records if "workers:50051" in record.getMessage()]) == 1
    await dns.answer()
    assert addresses(made) == ["127.0.0.1:1"]


async def test_addresses_are_asked_of_the_system():
    assert "127.0.0.1:50051" in await resolve("localhost:50051")
    assert await resolve("127.0.0.1:7") == ["127.0.0.1:7"]
    assert await resolve("[::1]:7") == ["[::1]:7"]
