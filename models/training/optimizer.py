"""Muon and AdamW. Muon in float32: `torch.optim.Muon` computes in bfloat16, which is slow on most CPUs.

After K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the update scale of
J. Liu et al., "Muon is scalable for LLM training" (2025). Matrices of one shape are orthogonalized in one batch.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of each matrix of a batch near one."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.size(-2) > matrices.size(-1)
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon:
    """Muon over a set of matrices. `lr` is set by the caller before each step."""

    def __init__(self, matrices: Iterable[nn.Parameter], *, momentum: float = 0.95, weight_decay: float = 0.05) -> None:
        self.lr = 0.0
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._groups: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            self._groups[matrix.shape].append(matrix)
        self._buffers = {shape: torch.zeros(len(group), *shape) for shape, group in self._groups.items()}

    @torch.no_grad()
    def step(self) -> None:
        """Apply the gradients."""
        for shape, group in self._groups.items():
            gradient = torch.stack([p.grad for p in group if p.grad is not None])
            buffer = self._buffers[shape]
            buffer.lerp_(gradient, 1 - self._momentum)
            update = orthogonalize(gradient.lerp(buffer, self._momentum))
            scale = 0.2 * max(shape) ** 0.5 * self.lr
            for matrix, change in zip(group, update, strict=True):
                matrix.mul_(1 - self.lr * self._weight_decay).sub_(change, alpha=scale)


class Optimizer:
    """Muon for the matrices of a model's layers, AdamW for the rest. Rates rise, stay, and fall to zero in a line."""

    def __init__(
        self,
        model: nn.Module,
        layers: nn.Module,
        *,
        matrix_lr: float,
        vector_lr: float,
        steps: int,
        warmup: int,
        decay_from: float,
    ) -> None:
        """Take the highest rates, and when they are reached and left.

        Args:
            model: the whole of it.
            layers: the part of it whose matrices are Muon's.
            matrix_lr: Muon's.
            vector_lr: AdamW's.
            steps: how many there will be.
            warmup: how many steps the rates rise.
            decay_from: the share of the steps after which they fall.
        """
        matrices = [p for p in layers.parameters() if p.ndim == 2]
        inside = {id(p) for p in matrices}
        self._others = [p for p in model.parameters() if id(p) not in inside]
        self._muon = Muon(matrices)
        self._adam = torch.optim.AdamW(self._others, lr=vector_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self._rates = matrix_lr, vector_lr
        self._steps, self._warmup, self._decay_from = steps, warmup, decay_from * steps
        self._step = 0

    def step(self) -> None:
        """Apply the gradients; those of AdamW's parameters are clipped to a norm of 1."""
        left = (self._steps - self._step) / (self._steps - self._decay_from)
        self._step += 1
        share = min(1.0, self._step / self._warmup, left)
        self._muon.lr, self._adam.param_groups[0]["lr"] = (rate * share for rate in self._rates)
        nn.utils.clip_grad_norm_(self._others, 1.0)
        self._muon.step()
        self._adam.step()
