"""Fused layers: the stock model's logits, or the stock model."""

from __future__ import annotations

import copy

import pytest
import torch

from backends.transformers import kernels
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
