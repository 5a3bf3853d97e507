"""A linear layer whose rows don't depend on each other, bit for bit, and which reads its weights faster.

`torch.nn.functional.linear` on CPU picks another kernel at 1, 2, 3 and 4 rows and at remainders of 4, so the same
token gives other bits in another batch (about 1e-6 of the logits), and a near tie may fall the other way. oneDNN
with the weights reordered beforehand gives each row the same bits at every number of rows (measured from 1 to 512
rows, 1 to 4 threads, torch 2.13, AVX2), also where it goes on to add another tensor while the result is still in the
processor's cache. It is 1.2 to 2.6 times faster at 32 rows and below.

The operators used are those that torch.compile's own CPU backend emits, but they are private: see `PackedLinear.check`.

At few rows our own kernel reads the same weights, faster, and gives the same bits: of each of oneDNN's 1,024 inputs one
multiplication is added after the other, and then these sums. Where another oneDNN packs or adds in another way, it
alone multiplies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from backends.transformers import kernels

_TOLERANCE = 1e-4  # of the largest output; f32 sums in another order differ by about 1e-6
_PROBE_ROWS = 3


class PackedLinear(nn.Module):
    """`y = x W^T + b` with W [out, in] in oneDNN's own layout; float32, CPU, inference only.

    Raises:
        AttributeError: this PyTorch has no such operators.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._weights: Any = torch.ops.mkldnn._reorder_linear_weight(weight.detach())  # noqa: SLF001 - see above
        self._bias = None if bias is None else bias.detach()
        self._linear: Any = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
        self.packed: kernels.Packed | None = None
        self.packed = self._agreeing(kernels.load())

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        y = self._few_rows(x)
        if y is None and x.numel() == 0:
            return x.new_empty((*x.shape[:-1], self.out_features))
        return self._linear(x, self._weights, self._bias, "none", [], "") if y is None else y

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """Give `y + other`."""
        y = self._few_rows(x, other)
        return self._linear.binary(x, other, self._weights, self._bias, "add") if y is None else y

    def check(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Compare both results with the stock operators' on 3 rows.

        Raises:
            ValueError: they differ.
        """
        x, other = _probe(self.in_features), _probe(self.out_features)
        y = linear(x, weight, bias)
        for ours, expected in ((self(x), y), (self.plus(x, other), y + other)):
            difference = float((ours - expected).abs().max())
            if not difference <= _TOLERANCE * max(1.0, float(expected.abs().max())):
                raise ValueError(f"packed and stock results differ by {difference:.2g}")

    def _few_rows(self, x: Tensor, other: Tensor | None = None) -> Tensor | None:
        """Give our own product, where there is one and it takes so many rows."""
        native = kernels.load()
        if native is None or self.packed is None or x.numel() > native.most_rows * self.in_features:
            return None
        return native.multiply(x.contiguous(), self.packed, None if other is None else other.contiguous())

    def _agreeing(self, native: kernels.Kernels | None) -> kernels.Packed | None:
        """Tell where our product of few rows finds the weights, if it agrees to the bit with oneDNN's of more rows."""
        bytes_packed: int = torch.ops.mkldnn._nbytes(self._weights)  # noqa: SLF001
        if native is None or self._bias is not None or bytes_packed != 4 * self.out_features * self.in_features:
            return None
        few = native.most_rows
        x, other = _probe(self.in_features, few + 1), _probe(self.out_features, few + 1)
        plain, added = self(x)[:few], self.plus(x, other)[:few]
        address: int = torch.ops.mkldnn.data_ptr(self._weights)
        for block in (block for block in native.blocks if self.out_features % block == 0):
            packed = kernels.Packed(address, self.out_features, block)
            ours = native.multiply(x[:few], packed), native.multiply(x[:few], packed, other[:few])
            if torch.equal(ours[0], plain) and torch.equal(ours[1], added):
                return packed
        return None


def _probe(size: int, rows: int = _PROBE_ROWS) -> Tensor:
    return torch.linspace(-1.0, 1.0, rows * size).view(rows, size)
