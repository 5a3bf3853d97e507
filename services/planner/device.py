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
        capability: compute capability of a GPU; None where there is none.
        per_node: how many a machine holds.
    """

    name: str
    memory: int
    bandwidth: float
    capability: tuple[int, int] | None
    per_node: int = 8

    @property
    def gpu(self) -> bool:
        """Whether it is one."""
        return self.capability is not None

    @property
    def quantizes(self) -> bool:
        """Whether TensorRT-LLM runs on it, without which nothing is quantized or shared by several GPUs."""
        return self.capability is not None and self.capability >= _AMPERE

    @property
    def fp8_cache(self) -> bool:
        """Whether keys and values may be FP8 there."""
        return self.quantizes

    @property
    def fp8(self) -> bool:
        """Whether weights may: it multiplies FP8 numbers."""
        return self.capability is not None and self.capability >= _ADA


# The hardware support matrix of TensorRT-LLM 1.2.1 (documentation, features/quantization).
_AMPERE = (8, 0)
_ADA = (8, 9)


def _gpu(name: str, mib: int, gb_per_s: int, capability: tuple[int, int], *, per_node: int = 8) -> Device:
    return Device(name, mib * 2**20, gb_per_s * 1e9, capability, per_node)


# Bandwidth: NVIDIA's product pages and datasheets (nvidia.com/en-us/data-center/{h100,h200,a100,l40s,l4,a10,tesla-t4,
# dgx-b200,grace-hopper-superchip}; H100 PCIe: product brief PB-11133; RTX 4090: 384 bits at 21 Gbit/s). Memory: the
# total that `nvidia-smi` prints, in MiB, which datasheets round to 80, 94, 141 GB. Compute capability:
# developer.nvidia.com/cuda-gpus.
_TABLE = (
    _gpu("T4", 15360, 320, (7, 5)),
    _gpu("A10G", 23028, 600, (8, 6)),
    _gpu("L4", 23034, 300, (8, 9)),
    _gpu("RTX-4090", 24564, 1008, (8, 9)),
    _gpu("A100-40GB", 40960, 1555, (8, 0)),
    _gpu("L40S", 46068, 864, (8, 9)),
    _gpu("H100-PCIe", 81559, 2000, (9, 0)),
    _gpu("H100-SXM", 81559, 3350, (9, 0)),
    _gpu("A100-80GB", 81920, 2039, (8, 0)),
    _gpu("H100-NVL", 95830, 3900, (9, 0)),
    _gpu("GH200", 97871, 4000, (9, 0), per_node=1),
    _gpu("H200", 143771, 4800, (9, 0)),
    _gpu("B200", 183359, 8000, (10, 0)),
)
GPUS: Mapping[str, Device] = {gpu.name: gpu for gpu in _TABLE}
"""By name, smallest first."""


def machine(memory_gb: float, bandwidth_gb_per_s: float) -> Device:
    """Return a machine without a GPU, or with one that isn't in the table."""
    name = f"a machine with {memory_gb:g} GB"
    return Device(name, int(memory_gb * 1e9), bandwidth_gb_per_s * 1e9, None, per_node=1)
