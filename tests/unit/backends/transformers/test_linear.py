"""Packed layers: the stock results, and rows that don't depend on each other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backends.transformers.linear import PackedLinear, PiecewiseSiLU, pack_linears


@pytest.fixture(autouse=True)
def _inference():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(64, 160), (160, 64), (100, 96), (256, 3000)])
def test_packed_rows_are_the_same_at_any_number_of_rows(shape, bias):
    stock = nn.Linear(*shape, bias=bias)
    packed = PackedLinear(stock)
    x = torch.randn(130, shape[0])
    whole = packed(x)
    assert torch.allclose(whole, stock(x), atol=1e-5)
    for count in (1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 64, 127, 130):
        assert torch.equal(packed(x[:count]), whole[:count])
        assert torch.equal(packed(x[-count:]), whole[-count:])


def test_packed_keeps_leading_dimensions():
    packed = PackedLinear(nn.Linear(8, 6))
    assert packed(torch.randn(1, 5, 8)).shape == (1, 5, 6)
    assert packed(torch.randn(1, 0, 8)).shape == (1, 0, 6)


def test_silu_in_pieces():
    x = torch.randn(1, 300, 1000) * 4
    whole = PiecewiseSiLU()(x)
    assert torch.allclose(whole, nn.functional.silu(x))
    for count in (1, 2, 33, 100):
        assert torch.equal(PiecewiseSiLU()(x[:, :count]), whole[:, :count])


def test_every_layer_is_replaced():
    model = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Sequential(nn.Linear(16, 4)))
    x = torch.randn(3, 8)
    expected = model(x)
    assert pack_linears(model)
    assert not any(isinstance(module, nn.Linear | nn.SiLU) for module in model.modules())
    assert torch.allclose(model(x), expected, atol=1e-6)


def missing(linear):
    raise AttributeError("no such operator")


def wrong(linear):
    return lambda x: torch.full((*x.shape[:-1], linear.out_features), 1e3)


@pytest.mark.parametrize("packed", [missing, wrong])
def test_stock_layers_stay_where_packing_does_not_work(monkeypatch, caplog, packed):
    monkeypatch.setattr("backends.transformers.linear.PackedLinear", packed)
    model = nn.Sequential(nn.Linear(8, 16))
    assert not pack_linears(model)
    assert isinstance(model[0], nn.Linear)
    assert "stock layers are used" in caplog.text
