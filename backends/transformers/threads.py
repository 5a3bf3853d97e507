"""How many processors this process may use, and does."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_SMALL_MODEL = 20e6
"""Parameters below which threads cost more than they bring: a step's products are over before the threads are awake."""
_CGROUP = Path("/sys/fs/cgroup")


def use_threads(wanted: int | None, parameters: int) -> None:
    """Let PyTorch compute with so many threads, or with as many as a model of this size is served well by."""
    most = 1 if parameters < _SMALL_MODEL else min(torch.get_num_threads(), usable_cpus())
    torch.set_num_threads(wanted or most)


def usable_cpus() -> int:
    """Count those that the process may run on; a container's quota (cgroup v2, `cpu.max`) counts too.

    More threads than that would wait for each other in every product.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, int(quota) // int(period)))
