"""Spreading a model over devices: what fits, that more never hold less, and that the rate is a bound."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama.architecture import PRESETS, Decoder
from llama.memory import Precision, cache_bytes_per_token, logits_bytes, weights_bytes
from llama.placement import CACHE_SHARE, RESERVE_BYTES, Placement, best_placement, placements, share

H100 = 81559 * 2**20
FP8, BF16 = Precision.fp8, Precision.bf16
GENERATORS = [name for name, model in PRESETS.items() if isinstance(model, Decoder)]


def best(name, devices, weights=BF16, cache=BF16, *, memory=H100, per_node=8, context=8192):
    model = PRESETS[name]
    return best_placement(model, weights, cache, memory=memory, devices=devices, per_node=per_node, context=context)


def most(*args, memory=H100, context=8192, **rest):
    return best(*args, memory=memory, context=context, **rest)[1].sequences(memory, context)


@pytest.mark.parametrize("context", [1024, 8192, 131072])
def test_405b_in_fp8_fits_eight_h100_and_in_bf16_takes_sixteen(context):
    placement, _ = best("llama-3.1-405b", 8, FP8, FP8, context=context)
    assert placement == Placement(tensor=8, pipeline=1, nodes=1)
    assert most("llama-3.1-405b", 8, FP8, FP8, context=context) > 0
    assert most("llama-3.1-405b", 8, BF16, BF16, context=context) == 0
    assert most("llama-3.1-405b", 8, BF16, FP8, context=context) == 0
    placement, _ = best("llama-3.1-405b", 16, context=context)
    assert placement == Placement(tensor=8, pipeline=2, nodes=2)
    assert most("llama-3.1-405b", 16, context=context) > 0


@pytest.mark.parametrize(("name", "gpus"), [("llama-3.1-8b", 1), ("llama-3.1-70b", 2), ("llama-guard-3-8b", 1)])
def test_what_is_known_to_be_served_in_fp8_fits(name, gpus):
    assert best(name, gpus, FP8, FP8)[0] == Placement(tensor=gpus)
    assert most(name, gpus, FP8, FP8) > 0


def test_one_sequence_more_would_not_fit():
    model, context = PRESETS["llama-3.1-8b"], 8192
    held = share(model, Placement(), BF16, BF16)
    count = held.sequences(H100, context)
    each = context * cache_bytes_per_token(model, BF16) + logits_bytes(model)
    free = (H100 - RESERVE_BYTES - weights_bytes(model, BF16) - held.workspace) * CACHE_SHARE
    assert count * each <= free < (count + 1) * each


@pytest.mark.parametrize("context", [1, 31, 32, 33, 1000])
def test_a_sequence_takes_whole_blocks(context):
    held = share(PRESETS["llama-3.1-8b"], Placement(), BF16, BF16)
    assert (held.sequence_bytes(context) - held.sequence) % (32 * held.token) == 0
    assert 0 <= held.sequence_bytes(context) - held.sequence - context * held.token < 32 * held.token


@pytest.mark.parametrize("per_node", [1, 2, 4, 8])
@pytest.mark.parametrize("name", PRESETS)
def test_placements_are_possible(name, per_node):
    model = PRESETS[name]
    found = list(placements(model, 24, per_node))
    assert found
    assert len(set(found)) == len(found)
    if not isinstance(model, Decoder):
        assert found == [Placement()]
        return
    for placement in found:
        assert placement.devices <= 24
        assert placement.tensor <= per_node
        assert model.heads % placement.tensor == 0
        assert model.kv_heads % placement.tensor == 0 or placement.tensor % model.kv_heads == 0
        assert placement.pipeline <= model.layers
        assert placement.pipeline % placement.nodes == 0
        assert placement.devices // placement.nodes <= per_node


def test_tensor_parallelism_stays_within_a_node():
    assert max(placement.tensor for placement in placements(PRESETS["llama-3.1-405b"], 64, 4)) == 4


questions = {
    "name": st.sampled_from(GENERATORS),
    "devices": st.integers(1, 24),
    "weights": st.sampled_from(Precision),
    "cache": st.sampled_from([BF16, FP8]),
    "memory": st.integers(8, 190).map(lambda gib: gib * 2**30),
    "per_node": st.sampled_from([1, 4, 8]),
    "context": st.integers(1, 131072),
}


@settings(max_examples=60)
@given(**questions)
def test_more_of_anything_never_holds_less(name, devices, weights, cache, memory, per_node, context):
    def count(**changed):
        asked = {"devices": devices, "weights": weights, "cache": cache, "memory": memory, "per_node": per_node}
        return most(name, context=changed.pop("context", context), **{**asked, **changed})

    here = count()
    assert here >= 0
    assert count(devices=devices + 1) >= here
    assert count(memory=memory + 2**30) >= here
    assert count(weights=Precision.int4) >= here
    assert count(cache=FP8) >= here
    assert count(context=max(1, context // 2)) >= here


@settings(max_examples=60)
@given(**questions, sequences=st.integers(1, 4096))
def test_the_rate_is_bounded_by_bandwidth(name, devices, weights, cache, memory, per_node, context, sequences):
    placement, held = best(name, devices, weights, cache, memory=memory, per_node=per_node, context=context)
    rate = held.tokens_per_second(1e12, context, sequences)
    read = held.read + held.read_token * context * sequences / min(sequences, placement.pipeline)
    assert rate == pytest.approx(sequences * 1e12 / read)
    assert held.tokens_per_second(1e12, context, sequences + 1) >= rate
    assert held.tokens_per_second(2e12, context, sequences) == pytest.approx(2 * rate)
    # No more than all devices together could read the weights and each sequence's cache once a token.
    model = PRESETS[name]
    least = cache_bytes_per_token(model, cache) * context
    assert rate * least <= placement.devices * 1e12 * 1.01


# Published by NVIDIA for TensorRT-LLM, H100 SXM, FP8, at the largest load: output tokens a second by input and output.
PUBLISHED = [
    ("llama-3.1-8b", 1, {(128, 128): 28312, (1000, 1000): 15220, (2048, 128): 3450, (20000, 2000): 1351}),
    ("llama-3.1-70b", 2, {(128, 128): 6378, (1000, 1000): 4205, (2048, 128): 762, (20000, 2000): 437}),
    ("llama-3.1-70b", 4, {(128, 128): 10589, (1000, 1000): 7306, (2048, 128): 1316, (20000, 2000): 915}),
    ("llama-3.1-405b", 8, {(128, 128): 3627, (1000, 1000): 2919, (2048, 128): 453, (20000, 2000): 345}),
]


@pytest.mark.parametrize(("name", "gpus", "rates"), PUBLISHED)
def test_published_rates_are_below_the_bound(name, gpus, rates):
    for (given_tokens, asked_tokens), rate in rates.items():
        context = given_tokens + asked_tokens
        _, held = best(name, gpus, FP8, FP8, context=context)
        bound = held.tokens_per_second(3.35e12, context, held.sequences(H100, context))
        assert rate < bound


def test_one_sequence_reads_all_weights_but_the_embedding():
    model = PRESETS["llama-3.1-8b"]
    held = share(model, Placement(), BF16, BF16)
    read = weights_bytes(model, BF16) - 2 * model.embedding
    assert held.tokens_per_second(3.35e12, 0, 1) == pytest.approx(3.35e12 / read)
    tied = share(dataclasses.replace(model, tied=True), Placement(), BF16, BF16)
    assert tied.read == held.read  # a tied embedding is read as the output layer


def test_a_pipeline_brings_one_sequence_nothing_and_two_a_second_stage():
    model, bandwidth = PRESETS["llama-3.1-405b"], 3.35e12
    one, two = (share(model, Placement(8, stages), FP8, FP8) for stages in (1, 2))
    assert two.tokens_per_second(bandwidth, 1024, 1) == pytest.approx(one.tokens_per_second(bandwidth, 1024, 1))
    alone = two.tokens_per_second(bandwidth, 1024, 1)
    assert two.tokens_per_second(bandwidth, 1024, 2) == pytest.approx(2 * alone)
