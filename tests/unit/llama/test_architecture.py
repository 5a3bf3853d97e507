"""Sizes of the family, against the counts of the published checkpoints and against Transformers' own model classes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from llama.architecture import PRESETS, ArchitectureError, read_architecture

PARAMETERS = {
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-guard-3-8b": 8_030_261_248,
    "llama-guard-3-1b": 1_498_482_688,
    "prompt-guard-86m": 278_811_651,
    "llama-prompt-guard-2-86m": 278_810_882,
    "llama-prompt-guard-2-22m": 70_830_722,
}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 512,
}
DEBERTA = {
    "model_type": "deberta-v2",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "max_position_embeddings": 512,
    "position_buckets": 16,
    "position_biased_input": False,
    "share_att_key": True,
    "type_vocab_size": 0,
    "id2label": {"0": "A", "1": "B", "2": "C"},
}


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_of_the_published_checkpoints(name):
    assert PRESETS[name].parameters == PARAMETERS[name]


def counted(model_class, config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model_class(config).parameters())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tie_word_embeddings": True},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"head_dim": 24},
        {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ],
)
def test_parameters_are_those_of_the_llama_class(fields):
    config = transformers.LlamaConfig(**{**LLAMA, **fields})
    assert read_architecture(config.to_dict()).parameters == counted(transformers.LlamaForCausalLM, config)


@pytest.mark.parametrize("labels", [2, 3])
def test_parameters_are_those_of_the_deberta_class(labels):
    config = transformers.DebertaV2Config(
        **{
            **DEBERTA,
            "id2label": {n: str(n) for n in range(labels)},
            "relative_attention": True,
            "norm_rel_ebd": "layer_norm",
            "pos_att_type": ["p2c", "c2p"],
        }
    )
    found = read_architecture({**config.to_dict(), "position_buckets": 16})
    assert found.parameters == counted(transformers.DebertaV2ForSequenceClassification, config)


def test_defaults_of_the_library():
    config = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    assert read_architecture(config) == dataclasses.replace(read_architecture(LLAMA), kv_heads=4)
    assert read_architecture({**LLAMA, "head_dim": None}).head_dim == 16
    assert not read_architecture(LLAMA).tied
    assert read_architecture({**DEBERTA, "id2label": None}).labels == 2


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "model_type is None"),
        ({"model_type": "mistral"}, "one of llama and deberta-v2"),
        ({"model_type": ["llama"]}, "model_type is"),
        ({**LLAMA, "hidden_size": None}, "hidden_size is missing"),
        ({**LLAMA, "vocab_size": "100"}, "vocab_size is no whole number"),
        ({**LLAMA, "vocab_size": 100.0}, "vocab_size is no whole number"),
        ({**LLAMA, "num_hidden_layers": True}, "num_hidden_layers is no whole number"),
        ({**LLAMA, "num_hidden_layers": 0}, "num_hidden_layers is no whole number"),
        ({**LLAMA, "intermediate_size": -1}, "intermediate_size is no whole number"),
        ({**LLAMA, "max_position_embeddings": 10**30}, "max_position_embeddings is no whole number"),
        ({**LLAMA, "num_key_value_heads": 3}, "num_key_value_heads 3 doesn't divide num_attention_heads 4"),
        ({**LLAMA, "hidden_size": 66}, "num_attention_heads 4 doesn't divide hidden_size 66: set head_dim"),
        ({**LLAMA, "tie_word_embeddings": "false"}, "tie_word_embeddings is neither true nor false"),
        ({**DEBERTA, "share_att_key": False}, "share_att_key is not true"),
        ({**DEBERTA, "type_vocab_size": 2}, "type_vocab_size is not 0"),
        ({**DEBERTA, "position_buckets": -1}, "position_buckets is no whole number"),
    ],
)
def test_what_is_no_architecture(config, reason):
    with pytest.raises(ArchitectureError, match=reason):
        read_architecture(config)


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text("01a") | st.lists(st.integers())


@given(config=st.dictionaries(st.sampled_from([*LLAMA, *DEBERTA, "head_dim", "mlp_bias"]), json_values))
@pytest.mark.parametrize("base", [LLAMA, DEBERTA])
def test_any_config_is_read_or_refused(base, config):
    try:
        parameters = read_architecture({**base, **config}).parameters
    except ArchitectureError:
        return
    assert parameters > 0
