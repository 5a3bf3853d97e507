"""Linear layers whose rows don't depend on each other, bit for bit, and which read their weights faster.

`torch.nn.functional.linear` on CPU picks another kernel at 1, 2, 3 and 4 rows and at remainders of 4, so the same
token gives other bits in another batch (about 1e-6 of the logits), and a near tie may fall the other way. oneDNN
with the weights reordered beforehand gives each row the same bits at every number of rows (measured from 1 to 512
rows, 1 to 4 threads, torch 2.13, AVX2), and is 1.2 to 2.6 times faster at 32 rows and below.

The two operators used are those that torch.compile's own CPU backend emits, but they are private: where they are
missing or disagree with the stock layer, the stock layer stays.

`SiLU` has a like defect: PyTorch splits large tensors between threads wherever it likes and computes the elements
left over from whole vectors with another `exp`. So it is applied in pieces too small to be split.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_TOLERANCE = 1e-4  # of the largest output; f32 sums in another order differ by about 1e-6
_SPLIT_ELEMENTS = 32768  # at::internal::GRAIN_SIZE: smaller tensors are not split between threads


class PackedLinear(nn.Module):
    """`y = x W^T + b` with W [out, in] in oneDNN's own layout; float32, CPU, inference only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed: Any = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())  # noqa: SLF001 - see above
        bias: Tensor | None = linear.bias
        self.bias = None if bias is None else bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        if x.numel() == 0:
            return x.new_empty((*x.shape[:-1], self.out_features))
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")  # noqa: SLF001
        return y


class PiecewiseSiLU(nn.Module):
    """`x * sigmoid(x)`, computed so that no element's bits depend on how many there are."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., features] to the same shape."""
        if x.numel() <= _SPLIT_ELEMENTS:
            return nn.functional.silu(x)
        rows = x.reshape(-1, x.shape[-1])
        result = torch.empty_like(rows)
        step = max(1, _SPLIT_ELEMENTS // rows.shape[-1])
        for start in range(0, rows.shape[0], step):
            result[start : start + step] = nn.functional.silu(rows[start : start + step])
        return result.view_as(x)


def pack_linears(model: nn.Module) -> bool:
    """Replace the linear layers and SiLUs of a float32 CPU model, in place.

    Returns:
        whether they were replaced. False where this PyTorch has no such operators: results are right all the same, but
        may depend on batch mates in the last bits.
    """
    for name, module in list(model.named_modules()):
        try:
            if isinstance(module, nn.Linear):
                _replace(model, name, _checked(module))
            elif isinstance(module, nn.SiLU):
                _replace(model, name, PiecewiseSiLU())
        except (AttributeError, RuntimeError, ValueError) as error:
            logger.warning("%s and what follows is not packed, the stock layers are used: %s", name, error)
            return False
    return True


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _checked(linear: nn.Linear) -> PackedLinear:
    """Pack one layer and compare it with the stock one on 3 rows."""
    packed = PackedLinear(linear)
    probe = torch.linspace(-1.0, 1.0, 3 * linear.in_features).view(3, linear.in_features)
    with torch.inference_mode():
        expected = linear(probe)
        difference = float((packed(probe) - expected).abs().max())
    if not difference <= _TOLERANCE * max(1.0, float(expected.abs().max())):
        raise ValueError(f"packed and stock results differ by {difference:.2g}")
    return packed
