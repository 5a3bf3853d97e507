"""A tiny Llama checkpoint with random weights, for backends that load one."""

from __future__ import annotations

from pathlib import Path


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
