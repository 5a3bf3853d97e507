"""A tiny Llama checkpoint with random weights, for backends that load one."""

from __future__ import annotations

import json
from pathlib import Path

STOP = 300
"""Ends an answer. Ids below are single bytes and pairs of letters; ids from here on control or stand for nothing."""


def pieces() -> list[bytes]:
    """Give what ids below `STOP` spell."""
    letters = [bytes([a, b]) for a in b"abcdef(,)" for b in b"abcdef(,)"]
    return [bytes([byte]) for byte in range(256)] + letters[: STOP - 256]


def text_of(token_ids: list[int]) -> str:
    """Give the text of ids, as far as its characters are whole."""
    spelled = pieces()
    return b"".join(spelled[token_id] for token_id in token_ids).decode(errors="ignore")


def llama(folder: Path, vocab_size: int, context_length: int) -> Path:
    """Write the checkpoint, once per folder, and return where it lies. Needs torch, transformers and safetensors.

    The weights are wide enough for distributions with a shape: some peaked, none flat.
    """
    path = folder / "llama"
    if path.exists():
        return path
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context_length,
        initializer_range=0.2,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.save_pretrained(path)
    (path / "tokenizer.json").write_text(json.dumps(tokenizer()), encoding="utf-8")
    return path


def deberta(folder: Path, vocab_size: int, context_length: int = 512) -> Path:
    """Write a sequence classifier of three labels like Prompt Guard, once per folder, and return where it lies."""
    path = folder / "deberta"
    if path.exists():
        return path
    import torch
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    config = DebertaV2Config(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=context_length,
        relative_attention=True,
        position_buckets=32,
        pos_att_type=["c2p", "p2c"],
        position_biased_input=False,
        type_vocab_size=0,
        initializer_range=0.4,
        pad_token_id=0,
        id2label={0: "benign", 1: "injection", 2: "jailbreak"},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DebertaV2ForSequenceClassification(config)
    model.save_pretrained(path)
    return path


def tokenizer() -> dict[str, object]:
    """Describe a byte-level vocabulary (Radford et al. 2019, GPT-2: bytes that don't print are shown by others)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shown = {byte: chr(byte) for byte in printable}
    shown |= {byte: chr(0x100 + i) for i, byte in enumerate(b for b in range(0x100) if b not in printable)}
    vocab = {"".join(shown[byte] for byte in piece): token_id for token_id, piece in enumerate(pieces())}
    return {
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
        "added_tokens": [{"id": STOP, "content": "<|end|>", "special": True}],
        "decoder": {"type": "ByteLevel"},
    }
