import pytest
from tokenizers import Tokenizer as HfTokenizer

from llama.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def hf_tokenizer(checkpoint):
    return HfTokenizer.from_file(str(checkpoint / "tokenizer.json"))


@pytest.fixture(scope="session")
def tokenizer(hf_tokenizer):
    return Tokenizer(hf_tokenizer.to_str())
