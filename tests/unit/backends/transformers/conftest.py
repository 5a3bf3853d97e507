"""Small checkpoints with random weights, written once per session."""

from __future__ import annotations

import pytest
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from tests.unit.backends.transformers.driver import CONTEXT_LENGTH, VOCAB_SIZE

SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT_LENGTH,
    "initializer_range": 0.2,  # wide enough for distributions with a shape
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
VARIANTS = {
    "grouped": {},
    "tied": {"tie_word_embeddings": True},
    "ungrouped": {"num_key_value_heads": 4},
    "one_key_head": {"num_key_value_heads": 1, "head_dim": 32},
    "llama3_rope": {"rope_parameters": LLAMA3_ROPE},
    "biased": {"attention_bias": True, "mlp_bias": True},
}


@pytest.fixture(scope="session", autouse=True)
def _quiet_library():
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)  # more would wait for each other wherever the machine is busy


@pytest.fixture(scope="session")
def stock(tmp_path_factory):
    """Give a variant's folder and the stock model that was saved there."""
    made = {}

    def make(variant="grouped"):
        if variant not in made:
            torch.manual_seed(0)
            model = LlamaForCausalLM(LlamaConfig(**{**SHAPE, **VARIANTS[variant]})).eval()
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    torch.nn.init.normal_(parameter, std=0.2)
            folder = tmp_path_factory.mktemp(variant)
            model.save_pretrained(folder)
            made[variant] = folder, model
        return made[variant]

    return make


@pytest.fixture(scope="session")
def checkpoint(stock):
    """The folder of the plain variant."""
    return str(stock()[0])
