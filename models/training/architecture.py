"""The Llama 3.1 architecture (Meta, 2024), in small: what the embedded generators have in common."""

from typing import Any

from transformers import LlamaConfig


def llama_in_small(**own: Any) -> LlamaConfig:
    """Give the configuration of a model: its own sizes and ids, two heads for keys and values, llama3 rope scaling."""
    return LlamaConfig(
        num_key_value_heads=2,
        head_dim=32,
        hidden_act="silu",
        max_position_embeddings=8192,
        initializer_range=0.04,
        rms_norm_eps=1e-5,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 1024,
        },
        tie_word_embeddings=True,
        attention_bias=False,
        mlp_bias=False,
        dtype="float32",
        **own,
    )
