"""One `paddock serve` process for the clients of other languages."""

from __future__ import annotations

import pytest_asyncio

from tests.process import paddock, simulator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def address(checkpoint):
    """Where a server answers each prompt with its own ids, and each chat with its last ids."""
    async with paddock(*simulator(checkpoint, echo_from=1, time_per_token_s=0.005)) as process:
        yield await process.ready()
