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


def measure(device: str, *, repeats: int = 5, scale: int = 1) -> dict[str, float]:
    """Give `bytes_per_s`, of a sum over a large buffer, and `flops_per_s`, of a large product; the best of repeats.

    CPU: with as many threads as PyTorch is set to use; float32. CUDA: bfloat16. `scale` divides the sizes.
    """
    import torch

    size, dtype = _GEMM[device]
    buffer = torch.ones(_BUFFER_BYTES[device] // 4 // scale, device=device)
    side = size // scale
    left, right = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    read = _best(buffer.sum, device, repeats)
    product = _best(lambda: left @ right, device, max(2, repeats // 2))
    return {"bytes_per_s": buffer.numel() * 4 / read, "flops_per_s": 2 * side**3 / product}


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


def bound(streams: int, context: float, model: Mapping[str, float], ceiling: Mapping[str, float]) -> dict[str, float]:
    """Give the most tokens per second of decoding, by each ceiling and by both.

    Args:
        streams: decoding at once.
        context: tokens of each, on average, whose keys and values are read.
        model: as `write_checkpoint` gives it.
        ceiling: as `measure` gives it.
    """
    memory_s = (model["read_bytes"] + streams * context * model["kv_bytes"]) / ceiling["bytes_per_s"]
    compute_s = streams * model["token_flops"] / ceiling["flops_per_s"]
    return {
        "bandwidth": streams / memory_s,
        "compute": streams / compute_s,
        "roofline": streams / max(memory_s, compute_s),
    }
