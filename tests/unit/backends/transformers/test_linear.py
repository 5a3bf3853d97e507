"""Packed layers: the stock results, and rows that don't depend on each other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backends.transformers.linear import PackedLinear

COUNTS = (1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 64, 127, 130)


@pytest.fixture(autouse=True)
def _inference():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def packed_from(stock):
    return PackedLinear(stock.weight, stock.bias)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(64, 160), (160, 64), (100, 96), (256, 3000)])
def test_rows_are_the_same_at_any_number_of_rows(shape, bias):
    stock = nn.Linear(*shape, bias=bias)
    packed = packed_from(stock)
    x, other = torch.randn(130, shape[0]), torch.randn(130, shape[1])
    y = stock(x)
    ways = [
        (lambda x, _: packed(x), y),
        (packed.plus, y + other),
    ]
    for way, expected in ways:
        whole = way(x, other)
        assert torch.allclose(whole, expected, atol=1e-5)
        for count in COUNTS:
            assert torch.equal(way(x[:count], other[:count]), whole[:count])
            assert torch.equal(way(x[-count:], other[-count:]), whole[-count:])


def test_leading_dimensions_are_kept():
    packed = packed_from(nn.Linear(8, 6))
    assert packed(torch.randn(1, 5, 8)).shape == (1, 5, 6)
    assert packed(torch.randn(1, 0, 8)).shape == (1, 0, 6)


def test_the_check_sees_a_wrong_result():
    stock = nn.Linear(8, 6)
    packed = packed_from(stock)
    packed.check(stock.weight, stock.bias)
    with pytest.raises(ValueError, match="differ by"):
        packed.check(stock.weight + 0.1, stock.bias)
