import pytest

from llama.tokenizer import Tokenizer
from tests.unit.services.guard.rig import Rig


@pytest.fixture(scope="session")
def tokenizer(checkpoint):
    return Tokenizer((checkpoint / "tokenizer.json").read_text())


@pytest.fixture
def rig(tokenizer):
    return Rig(tokenizer)
