"""One loaded backend per subject serves the whole suite, on one event loop. Each test leaves it idle."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

pytest.register_assert_rewrite("tests.contract.rig")

from tests.contract.rig import Rig, soon  # noqa: E402 - its asserts are to be rewritten too
from tests.contract.subjects import SUBJECTS  # noqa: E402

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Run every test on the event loop that the backend was loaded on."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", params=SUBJECTS, ids=lambda subject: subject.name)
def subject(request):
    """A kind of backend."""
    missing = request.param.missing()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with request.param.within():
        yield request.param


@pytest.fixture(scope="session")
def folder(subject, tmp_path_factory):
    """Where a subject keeps its checkpoints."""
    return tmp_path_factory.mktemp(subject.name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_rig(subject, folder):
    """The backend that tests share."""
    backend = subject.build(folder)
    yield Rig(backend, await soon(backend.load()))
    await soon(backend.close())


@pytest_asyncio.fixture(loop_scope="session")
async def rig(shared_rig):
    """The shared backend, idle before and after."""
    yield shared_rig
    await shared_rig.until(lambda: shared_rig.counts() == (0, 0))
    assert shared_rig.backend.health().ready


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(subject, folder):
    """A backend of the test's own, not loaded yet, closed afterwards."""
    backend = subject.build(folder)
    yield backend
    await soon(backend.close())
