"""A small byte-level tokenizer with Llama 3.1's control tokens, trained here."""

import pytest
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from llama.tokenizer import Tokenizer

CONTROL = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
]


@pytest.fixture(scope="session")
def hf_tokenizer():
    tokenizer = HfTokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["Hello world, the user and the system speak of tools and dates."] * 8, trainer)
    tokenizer.add_special_tokens(CONTROL)
    bos = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", bos)]
    )
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer(hf_tokenizer):
    return Tokenizer(hf_tokenizer.to_str())
