"""One server with the simulator serves most tests, on one event loop. Each test leaves it idle."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.service.rig import model_config, serving, simulator, soon


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_rig(checkpoint):
    """The server that tests share: answers are arbitrary text, as fast as can be, by the test tokenizer."""
    async with serving(model_config(checkpoint), stall_s=2.0) as rig:
        yield rig


@pytest_asyncio.fixture(loop_scope="session")
async def rig(shared_rig):
    """The shared server, idle before and after."""
    yield shared_rig
    await shared_rig.until_idle()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def echo_rig(checkpoint):
    """A server that answers a prompt with the prompt's own text, and then ends."""
    async with serving(model_config(checkpoint, simulator(echo_from=1))) as rig:
        yield rig


@pytest_asyncio.fixture(loop_scope="session")
async def echo(echo_rig):
    """The server that echoes, idle before and after."""
    yield echo_rig
    await soon(echo_rig.until_idle())


@pytest.fixture
def early_limit(monkeypatch):
    """End answers at a tenth of the time that their calls have: the rest is for a machine that is busy."""
    monkeypatch.setattr("services.time_limit._MARGIN_SHARE", 0.9)
