"""Checkpoints to measure: random weights in real shapes, with a tokenizer that every server can load.

A random model's greedy answer is arbitrary, so what it may say is held to plain words: ids that are single bytes,
control tokens, or not in the tokenizer get a logit of exactly zero, which never is the largest. So no answer ends
early, and each token is text of its own, which a server can send at once.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

CONTROL_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)
VOCAB_SIZE = 8192
"""Of the tokenizer, and of the models below a billion parameters."""

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4},
    "10M": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8},
    "100M": {"hidden_size": 768, "intermediate_size": 2560, "num_hidden_layers": 11, "num_attention_heads": 12},
    "500M": {"hidden_size": 1536, "intermediate_size": 5120, "num_hidden_layers": 16, "num_attention_heads": 24},
    "1B": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32},
    "8B": {"hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32},
}
"""The last two are Llama 3.2 1B's and Llama 3.1 8B's, with their vocabulary."""
_REAL = {
    "1B": {"num_key_value_heads": 8, "vocab_size": 128_256, "tie_word_embeddings": True},
    "8B": {"num_key_value_heads": 8, "vocab_size": 128_256},
}
_COMMON = {"num_key_value_heads": 4, "vocab_size": VOCAB_SIZE, "max_position_embeddings": 8192}

_ALPHABET = 256
_SYLLABLES = ["".join(pair) for pair in itertools.product("bcdfghjklmnpqrstvwxyz", "aeiou")]
_WORDS_FROM = _ALPHABET + len(_SYLLABLES)
_WORDS = (VOCAB_SIZE - len(CONTROL_TOKENS) - _WORDS_FROM) // 2
_CONTROL_FROM = _WORDS_FROM + 2 * _WORDS

PROMPT_IDS = range(_WORDS_FROM + _WORDS, _CONTROL_FROM)
"""Ids of a space and a word: any sequence of them is the encoding of its own text."""


def words() -> list[str]:
    """Give the words that the tokenizer knows whole, in the order of their ids."""
    pairs = itertools.product(_SYLLABLES, repeat=2)
    return ["".join(pair) for pair in itertools.islice(pairs, _WORDS)]


def text(ids: list[int]) -> str:
    """Decode prompt ids."""
    known = words()
    return "".join(" " + known[index - PROMPT_IDS.start] for index in ids)


def write_checkpoint(folder: Path, size: str, *, device: str = "cpu", dtype: str = "float32") -> dict[str, float]:
    """Write config, safetensors and tokenizer; give what the bounds on speed need.

    Returns:
        `parameters`; `read_bytes`, what one token's step must read (all weights but the embedding, of which a row);
        `token_flops`, the multiplications and additions of one token's products with weights; `kv_bytes`, keys and
        values of one token.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # it warns of control ids that the config doesn't name
    config = transformers.LlamaConfig(**{**_COMMON, **SHAPES[size], **_REAL.get(size, {})})
    config.bos_token_id, config.eos_token_id = _control("<|begin_of_text|>"), _control("<|eot_id|>")
    torch.manual_seed(0)
    with torch.device(device):
        model: Any = transformers.LlamaForCausalLM(config).to(getattr(torch, dtype))
    with torch.no_grad():
        model.lm_head.weight[:_ALPHABET] = 0
        model.lm_head.weight[_CONTROL_FROM:] = 0
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, do_sample=False
    )
    model.save_pretrained(folder)
    _write_tokenizer(folder)
    parameters = sum(weight.numel() for weight in model.parameters())
    products = parameters - (0 if config.tie_word_embeddings else model.lm_head.weight.numel())
    width = model.lm_head.weight.element_size()
    head_dim = config.hidden_size // config.num_attention_heads
    return {
        "parameters": parameters,
        "read_bytes": products * width,
        "token_flops": 2 * products,
        "kv_bytes": 2 * config.num_hidden_layers * (config.num_key_value_heads or 1) * head_dim * width,
    }


def _control(name: str) -> int:
    return _CONTROL_FROM + CONTROL_TOKENS.index(name)


def _write_tokenizer(folder: Path) -> None:
    """Byte-level BPE: bytes, syllables of two letters, words of two syllables, and the same after a space."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors

    space = "\u0120"  # how the byte-level alphabet writes it
    known = words()
    merges = [(syllable[0], syllable[1]) for syllable in _SYLLABLES]
    merges += [(word[:2], word[2:]) for word in known]
    merges += [(space, word) for word in known]
    texts = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in merges)]
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(texts)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(CONTROL_TOKENS))
    begin = CONTROL_TOKENS[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, _control(begin))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": begin,
        "eos_token": "<|eot_id|>",
        "pad_token": "<|finetune_right_pad_id|>",
        "clean_up_tokenization_spaces": False,
        "chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
