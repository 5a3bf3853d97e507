"""What the machine can do at best, measured, and what that allows a model.

A step of B streams can't take less time than reading the weights once and every stream's keys and values, nor than its
multiplications; the larger of the two is the roofline: B / max(bytes / bandwidth, B * flops / peak) tokens per second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

_BUFFER_BYTES = {"cpu": 2**30, "cuda": 2**33}
"""Read at once: many times the caches of any CPU, or GPU, of today."""
_GEMM = {"cpu": (4096, "float32"), "cuda": (8192, "bfloat16")}


def bytes_per_s(device: str, *, repeats: int = 5, scale: int = 1) -> float:
    """Sum over a large float32 buffer; the best of repeats.

    On CPU with as many threads as PyTorch is set to use. `scale` divides the size.
    """
    import torch

    buffer = torch.ones(_BUFFER_BYTES[device] // 4 // scale, device=device)
    return buffer.numel() * 4 / _best(buffer.sum, device, repeats)


def flops_per_s(device: str, *, repeats: int = 2, scale: int = 1) -> float:
    """Multiply two large matrices; the best of repeats. CPU: float32. CUDA: bfloat16."""
    import torch

    size, dtype = _GEMM[device]
    side = size // scale
    left, right = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    return 2.0 * side**3 / _best(lambda: left @ right, device, repeats)


def _best(work: Callable[[], Any], device: str, repeats: int) -> float:
    import torch

    def once() -> float:
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    once()
    return min(once() for _ in range(repeats))


def bound(streams: int, context: float, model: Mapping[str, float], bandwidth: float, peak: float) -> dict[str, float]:
    """Give the most tokens per second of decoding, by each ceiling and by both.

    Args:
        streams: decoding at once.
        context: tokens of each, on average, whose keys and values are read.
        model: as `write_checkpoint` gives it.
        bandwidth: bytes per second.
        peak: floating-point operations per second.
    """
    memory_s = (model["read_bytes"] + streams * context * model["kv_bytes"]) / bandwidth
    compute_s = streams * model["token_flops"] / peak
    return {
        "bandwidth": streams / memory_s,
        "compute": streams / compute_s,
        "roofline": streams / max(memory_s, compute_s),
    }
