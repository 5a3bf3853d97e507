"""What all tests may use."""

from __future__ import annotations

import pytest

from tests.checkpoint import write_tokenizer


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint folder with a tokenizer of 600 tokens and no weights."""
    return write_tokenizer(tmp_path_factory.mktemp("checkpoint"))
