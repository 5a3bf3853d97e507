"""Weights, keys and values: the tables that were published, what they leave out, and shares of a device."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama import memory
from llama.architecture import PRESETS, Decoder
from llama.memory import Precision, cache_bytes_per_token, cache_tokens, weights_bytes

SIZES = ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b")
NOMINAL = {"llama-3.1-8b": 8e9, "llama-3.1-70b": 70e9, "llama-3.1-405b": 405e9}
GIB = 2**30

decoders = st.builds(
    lambda kv_heads, group, **rest: Decoder(kv_heads=kv_heads, heads=kv_heads * group, **rest),
    kv_heads=st.sampled_from([1, 2, 3, 4, 8]),
    group=st.sampled_from([1, 2, 4]),
    hidden=st.integers(1, 64).map(lambda n: 64 * n),
    layers=st.integers(1, 40),
    head_dim=st.sampled_from([32, 64, 128]),
    intermediate=st.integers(1, 64).map(lambda n: 128 * n),
    vocabulary=st.integers(1, 128256),
    tied=st.booleans(),
    attention_bias=st.booleans(),
    mlp_bias=st.booleans(),
)


# Published: "Llama 3.1 - 405B, 70B & 8B with multilinguality and long context", https://huggingface.co/blog/llama31


@pytest.mark.parametrize(
    ("name", "bf16", "fp8", "int4"),
    [("llama-3.1-8b", 16, 8, 4), ("llama-3.1-70b", 140, 70, 35), ("llama-3.1-405b", 810, 405, 203)],
)
def test_published_weights_are_nominal_parameters_by_bits(name, bf16, fp8, int4):
    for published, precision in ((bf16, Precision.bf16), (fp8, Precision.fp8), (int4, Precision.int4)):
        assert math.floor(NOMINAL[name] * precision.bits / 8 / 1e9 + 0.5) == published
        ours = weights_bytes(PRESETS[name], precision) / 1e9
        # What the nominal figure leaves out: the exact count, and what stays in 16 bits.
        assert published <= ours + 0.5
        assert ours < published * {16: 1.01, 8: 1.14, 4: 1.45}[precision.bits]


@pytest.mark.parametrize(
    ("name", "published"),
    [("llama-3.1-8b", (0.125, 1.95, 15.62)), ("llama-3.1-70b", (0.313, 4.88, 39.06))],
)
def test_published_cache(name, published):
    assert cache_gib(PRESETS[name]) == pytest.approx(published, abs=0.0051)


def test_published_cache_of_405b_is_that_of_16_key_heads():
    model = PRESETS["llama-3.1-405b"]
    assert cache_gib(dataclasses.replace(model, kv_heads=16)) == pytest.approx((0.984, 15.38, 123.05), abs=0.0051)
    assert cache_gib(model) == pytest.approx((0.492, 7.69, 61.52), abs=0.0051)


def cache_gib(model):
    """In GiB, in 16 bits; 1k is 1024 tokens there, and 16k and 128k are 16,000 and 128,000."""
    return tuple(cache_bytes_per_token(model, Precision.bf16) * tokens / GIB for tokens in (1024, 16_000, 128_000))


@pytest.mark.parametrize(
    ("name", "published"),
    [("llama-3.1-8b", (60, 16, 6)), ("llama-3.1-70b", (300, 160, 48)), ("llama-3.1-405b", (3250, 950, 250))],
)
def test_published_training(name, published):
    assert dataclasses.astuple(memory.TRAINING[name]) == published


def test_weights_by_hand():
    model = Decoder(hidden=256, layers=2, heads=4, kv_heads=2, head_dim=64, intermediate=512, vocabulary=1000)
    linear = 2 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512)
    wide = 2 * 2 * 256 + 2 * 1000 * 256 + 256
    outputs = 2 * (4 * 64 + 2 * 2 * 64 + 256 + 2 * 512 + 256)
    assert model.parameters == linear + wide
    assert weights_bytes(model, Precision.f32) == 4 * (linear + wide)
    assert weights_bytes(model, Precision.bf16) == 2 * (linear + wide)
    assert weights_bytes(model, Precision.fp8) == linear + 2 * wide + 2 * 7 * 8
    assert weights_bytes(model, Precision.int8) == linear + 2 * wide + 4 * outputs
    assert weights_bytes(model, Precision.int4) == linear // 2 + linear // 128 * 5 // 2 + 2 * wide
    assert memory.unquantized_parameters(model) == wide


@given(model=decoders)
def test_a_lower_precision_never_takes_more(model):
    sizes = [weights_bytes(model, each) for each in (Precision.f32, Precision.bf16, Precision.int8, Precision.fp8)]
    assert sizes == sorted(sizes, reverse=True)
    assert weights_bytes(model, Precision.int4) < weights_bytes(model, Precision.fp8)


@given(model=decoders, tensor=st.sampled_from([1, 2, 4, 8]), precision=st.sampled_from(Precision))
def test_shards_hold_all_of_the_model(model, tensor, precision):
    if model.heads % tensor or model.intermediate % tensor:
        return
    if model.kv_heads % tensor and tensor % model.kv_heads:
        return
    part = memory.shard(model, tensor)
    assert part.heads * tensor == model.heads
    assert part.kv_heads == max(1, model.kv_heads // tensor)
    assert tensor * weights_bytes(part, precision) >= weights_bytes(model, precision) - 4 * tensor * model.layers
    assert tensor * cache_bytes_per_token(part, precision) >= cache_bytes_per_token(model, precision)


def test_key_heads_are_held_by_several_devices_where_there_are_too_few():
    model = dataclasses.replace(PRESETS["llama-3.1-8b"], kv_heads=2)
    assert [memory.shard(model, tensor).kv_heads for tensor in (1, 2, 4, 8)] == [2, 1, 1, 1]


@given(model=decoders, pipeline=st.integers(1, 40), precision=st.sampled_from(Precision))
def test_stages_hold_all_of_the_model(model, pipeline, precision):
    pipeline = min(pipeline, model.layers)
    largest = memory.stage_bytes(model, precision, pipeline)
    assert pipeline * largest >= weights_bytes(model, precision)
    assert largest <= weights_bytes(model, precision)
    layers = math.ceil(model.layers / pipeline)
    assert cache_bytes_per_token(model, precision, pipeline) * model.layers == (
        cache_bytes_per_token(model, precision) * layers
    )


def test_the_first_of_uneven_stages_has_a_layer_more():
    model = PRESETS["llama-3.1-405b"]
    layer, embedding = memory.layer_bytes(model, Precision.bf16), 2 * model.embedding
    assert memory.stage_bytes(model, Precision.bf16, 4) == 32 * layer + embedding
    assert memory.stage_bytes(model, Precision.bf16, 2) == 63 * layer + embedding + 2 * model.hidden


@given(free=st.integers(-(2**40), 2**40), token=st.integers(1, 2**21), share=st.floats(0.01, 1))
def test_cache_tokens_fit(free, token, share):
    tokens = cache_tokens(free, token, share)
    assert 0 <= tokens * token <= max(0, free) * share
    assert (tokens + 1) * token > free * share - 1


def test_an_encoder_keeps_nothing_and_is_not_quantized():
    model = PRESETS["prompt-guard-86m"]
    assert cache_bytes_per_token(model, Precision.bf16) == memory.logits_bytes(model) == 0
    assert weights_bytes(model, Precision.f32) == 2 * weights_bytes(model, Precision.bf16) == 4 * model.parameters


@given(model=decoders, tokens=st.integers(1, 8192))
def test_workspace_grows_with_the_step_and_shrinks_with_the_shard(model, tokens):
    whole = memory.workspace_bytes(model, Precision.bf16, tokens)
    assert memory.workspace_bytes(model, Precision.bf16, 2 * tokens) == 2 * whole
    assert memory.workspace_bytes(model, Precision.f32, tokens) == 2 * whole
    assert memory.workspace_bytes(memory.shard(model, 1), Precision.bf16, tokens) == whole
