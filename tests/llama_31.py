"""Llama 3.1's real tokenizer, built from the file that Meta's `llama-models` package brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_models.llama3.tokenizer
import tokenizers
from tokenizers import processors

CONTEXT = 131_072
VOCAB_SIZE = 128_256
FIRST_CONTROL = 128_000
"""Ids from here on are control tokens."""

BEGIN_OF_TEXT = "<|begin_of_text|>"


def meta_tokenizer() -> Any:
    """Load Meta's tokenizer."""
    return llama_models.llama3.tokenizer.Tokenizer(_model_file())


def tokenizer_json() -> str:
    """Convert it to the `tokenizers` library's form, as transformers does for the checkpoints on the hub."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    names = list(meta_tokenizer().special_tokens)
    library: tokenizers.Tokenizer = TikTokenConverter(str(_model_file()), extra_special_tokens=names).converted()
    library.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN_OF_TEXT} $A", special_tokens=[(BEGIN_OF_TEXT, FIRST_CONTROL)]
    )
    return library.to_str()


def write_checkpoint(folder: Path) -> Path:
    """Write `tokenizer.json` into a folder and return it."""
    (folder / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    return folder


def _model_file() -> Path:
    return Path(llama_models.llama3.tokenizer.__file__).with_name("tokenizer.model")
