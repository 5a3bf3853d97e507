"""What all tests may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import pytest_asyncio
from filelock import FileLock
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
    """A checkpoint folder with Llama 3.1's real tokenizer and no weights. Tests without it need no `llama-models`.

    Converting it takes seconds, so the processes of a run share it.
    """
    from tests.llama_31 import write_checkpoint

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "llama-3.1"
    with FileLock(f"{folder}.lock"):
        if not (folder / "tokenizer.json").exists():
            folder.mkdir(exist_ok=True)
            write_checkpoint(folder)
    return folder
