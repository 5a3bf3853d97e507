"""What models are placed on: GPUs with their makers' figures, and machines described by memory and bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """One GPU, or one machine without.

    Attributes:
        memory: bytes in all, as its driver tells.
        bandwidth: bytes a second from it, the maker's figure.
        fp8: whether it multiplies FP8 numbers; elsewhere they can't be served.
        per_node: how many a machine holds.
        gpu: whether it is one.
    """

    name: str
    memory: int
    bandwidth: float
    fp8: bool
    per_node: int = 8
    gpu: bool = True


def _gpu(name: str, mib: int, gb_per_s: int, *, fp8: bool, per_node: int = 8) -> Device:
    return Device(name, mib * 2**20, gb_per_s * 1e9, fp8, per_node)


# Bandwidth: NVIDIA's product pages and datasheets (nvidia.com/en-us/data-center/{h100,h200,a100,l40s,l4,a10,tesla-t4,
# dgx-b200,grace-hopper-superchip}; H100 PCIe: product brief PB-11133; RTX 4090: 384 bits at 21 Gbit/s). Memory: the
# total that `nvidia-smi` prints, in MiB, which datasheets round to 80, 94, 141 GB. FP8: Ada Lovelace, Hopper and later.
_TABLE = (
    _gpu("T4", 15360, 320, fp8=False),
    _gpu("A10G", 23028, 600, fp8=False),
    _gpu("L4", 23034, 300, fp8=True),
    _gpu("RTX-4090", 24564, 1008, fp8=True),
    _gpu("A100-40GB", 40960, 1555, fp8=False),
    _gpu("L40S", 46068, 864, fp8=True),
    _gpu("H100-PCIe", 81559, 2000, fp8=True),
    _gpu("H100-SXM", 81559, 3350, fp8=True),
    _gpu("A100-80GB", 81920, 2039, fp8=False),
    _gpu("H100-NVL", 95830, 3900, fp8=True),
    _gpu("GH200", 97871, 4000, fp8=True, per_node=1),
    _gpu("H200", 143771, 4800, fp8=True),
    _gpu("B200", 183359, 8000, fp8=True),
)
GPUS: Mapping[str, Device] = {gpu.name: gpu for gpu in _TABLE}
"""By name, smallest first."""


def machine(memory_gb: float, bandwidth_gb_per_s: float) -> Device:
    """Return a machine without a GPU, or with one that isn't in the table."""
    name = f"a machine with {memory_gb:g} GB"
    return Device(name, int(memory_gb * 1e9), bandwidth_gb_per_s * 1e9, fp8=False, per_node=1, gpu=False)
