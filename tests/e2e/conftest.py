"""One `paddock serve` process for the clients of other languages."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from tests.process import paddock, simulator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Run every test on the event loop that watches the process."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def address(checkpoint):
    """Where a server answers each prompt with its own ids, and each chat with its last ids."""
    async with paddock(*simulator(checkpoint, echo_from=1, time_per_token_s=0.005)) as process:
        yield await process.ready()
