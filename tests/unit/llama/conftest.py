import pytest
from tokenizers import Tokenizer as HfTokenizer

from llama.tokenizer import Tokenizer
from tests import llama_31 as real


@pytest.fixture(scope="session")
def hf_tokenizer(checkpoint):
    return HfTokenizer.from_file(str(checkpoint / "tokenizer.json"))


@pytest.fixture(scope="session")
def tokenizer(hf_tokenizer):
    return Tokenizer(hf_tokenizer.to_str())


@pytest.fixture(scope="session")
def meta_tokenizer():
    """Llama 3.1's tokenizer as Meta runs it."""
    return real.meta_tokenizer()


@pytest.fixture(scope="session")
def hf_llama_31(llama_31_checkpoint):
    """Llama 3.1's tokenizer as the `tokenizers` library runs it."""
    return HfTokenizer.from_file(str(llama_31_checkpoint / "tokenizer.json"))


@pytest.fixture(scope="session")
def llama_31(llama_31_checkpoint):
    """Llama 3.1's tokenizer as Paddock runs it."""
    return Tokenizer((llama_31_checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
