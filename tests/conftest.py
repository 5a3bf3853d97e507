"""What all tests may use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.checkpoint import write_tokenizer

settings.register_profile("paddock", deadline=None)  # a busy machine is no mistake
settings.load_profile("paddock")

_HERE = Path(__file__).parent
_ON_ONE_LOOP = {_HERE / "e2e", _HERE / "service"}
"""Folders whose tests share servers for the session, and so the event loop that these run on."""


def pytest_configure():
    """Let Ctrl-C reach the commands that tests start: where a shell runs the tests in the background, it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Run every test beside a shared server on the server's event loop."""
    for item in items:
        if _ON_ONE_LOOP.intersection(item.path.parents) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint folder with a tokenizer of 600 tokens and no weights."""
    return write_tokenizer(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def llama_31_checkpoint(tmp_path_factory):
    """A checkpoint folder with Llama 3.1's real tokenizer and no weights. Tests without it need no `llama-models`."""
    from tests.llama_31 import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("llama-3.1"))
