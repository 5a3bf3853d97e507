"""Fused layers: the stock model's logits, or the stock model."""

from __future__ import annotations

import copy

import pytest
import torch

from backends.transformers import kernels
from backends.transformers.attention import DecodeGroup, StepLayout
from backends.transformers.fused import FusedLayer, _gated, fuse
from backends.transformers.linear import PackedLinear


def missing(self, *_):
    raise AttributeError("no such operator")


def wrong(self, *_):
    raise ValueError("packed and stock results differ by 3")


@pytest.mark.parametrize("problem", [missing, wrong])
def test_the_stock_model_stays_whole_where_fusing_does_not_work(stock, monkeypatch, caplog, problem):
    model = copy.deepcopy(stock()[1])
    monkeypatch.setattr(PackedLinear, "check", problem)
    assert not fuse(model)
    assert not any(isinstance(module, FusedLayer | PackedLinear) for module in model.modules())
    assert "the stock layers are used" in caplog.text
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, stock()[1](ids).logits)


def test_no_stock_layer_is_left(stock):
    model = copy.deepcopy(stock()[1])
    assert fuse(model)
    assert not any(isinstance(module, torch.nn.Linear) for module in model.modules())


@pytest.mark.parametrize("count", [1, 9, 31])
def test_without_kernels_a_gate_is_the_same_in_any_company(monkeypatch, count):
    """At 32 rows of this size PyTorch would divide the work among threads in the midst of a row."""
    monkeypatch.setattr(kernels, "load", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        mixed = torch.randn(32, 2 * 2560)
        whole = _gated(mixed)
        assert torch.equal(_gated(mixed[:count]), whole[:count])
        assert torch.equal(_gated(mixed[-count:]), whole[-count:])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 3])
def test_all_layers_in_one_call_give_the_bits_of_one_after_the_other(stock, threads):
    if kernels.load() is None:
        pytest.skip("no kernels for this machine")
    model = copy.deepcopy(stock("one_key_head")[1])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert fuse(model)
        (stack,) = model.model.layers
        assert stack._native is not None
        with torch.inference_mode():
            tokens, data = torch.randn(1, 3, 64), torch.randn(2, 2, 4, 1, 64, 32)
            angles = model.model.rotary_emb(tokens, torch.tensor([[5, 0, 63]]))
            results = []
            for native in (stack._native, None):
                stack._native = native
                step = StepLayout((DecodeGroup(data.clone(), 0, [5, 0, 63]),), ())
                results.append((stack(tokens, position_embeddings=angles, paddock_step=step), step.groups[0].data))
        (at_once, cache), (by_layer, other_cache) = results
        assert torch.equal(at_once, by_layer)
        assert torch.equal(cache, other_cache)
        assert not torch.equal(cache, data)
        assert not torch.equal(at_once, tokens)
    finally:
        torch.set_num_threads(before)
