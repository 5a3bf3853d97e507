"""Kernels for steps of few rows on CPU, in C: `kernels.c`, compiled when Paddock is installed (`kernels_build.py`).

They are left out where that machine had no C compiler, and not used where this one lacks AVX2 and FMA, or where they
would bring a second OpenMP with threads of its own. PyTorch's operators then do what they do: the same results, but for
last bits, in more time.

All tensors are contiguous float32 on CPU. A row's result depends on that row alone, bit for bit.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

PATH = Path(__file__).with_name("libkernels.so")
_SOURCE = Path(__file__).with_name("kernels.c")

_address, _count, _number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_SIGNATURES: dict[str, list[Any]] = {
    "multiply": [_address] * 4 + [_count] * 4,
    "normalize": [_address] * 2 + [_count] * 2 + [_number],
    "gate": [_address] * 2 + [_count] * 2,
    "attend": [_address] * 5 + [_count] * 5 + [_number],
}
"""Of the functions in C, without the number of threads, which is the last of each."""


@functools.cache
def load() -> Kernels | None:
    """Give the kernels, or None where there are none for this machine; the log says why."""
    if not PATH.exists():
        logger.info("no kernels were compiled when Paddock was installed: PyTorch's operators do it all on CPU")
        return None
    if torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}:
        logger.info("this CPU lacks what the kernels are compiled for, AVX2 and FMA")
        return None
    try:
        return Kernels(PATH)
    except (OSError, ValueError) as error:
        logger.warning("the kernels are not used: %s", error)
        return None


def suit(tensor: Tensor) -> bool:
    """Whether a tensor is one for kernels: float32 on CPU."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


class Kernels:
    """The functions of `kernels.c`.

    Attributes:
        most_rows: of a product; with more, oneDNN's is as fast.
        blocks: how many outputs oneDNN may have packed side by side, for `multiply` to read them; the second where
            threads are more than blocks of the first.

    Raises:
        OSError: the library can't be loaded.
        ValueError: it is of another `kernels.c` than the one beside it, or brings an OpenMP of its own.
    """

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        made_of = ctypes.c_uint32.in_dll(library, "paddock_checksum").value
        if _SOURCE.exists() and zlib.crc32(_SOURCE.read_bytes()) != made_of:
            raise ValueError("they were compiled from another kernels.c: install Paddock again")
        if not _shares_openmp(library):
            raise ValueError("they run with another OpenMP than PyTorch")
        self._multiply, self._normalize, self._gate, self._attend = (_function(library, name) for name in _SIGNATURES)
        bounds = (ctypes.c_int64 * 5).in_dll(library, "paddock_bounds")
        self.most_rows, *blocks, self._most_heads, self._lanes = bounds
        self.blocks = tuple(blocks)

    def multiply(self, x: Tensor, packed: int, outputs: int, block: int, other: Tensor | None = None) -> Tensor:
        """Give `x W^T`, plus `other` [rows, outputs].

        Args:
            x: [..., inputs], of `most_rows` rows at most.
            packed: address of W as oneDNN packs it, [outputs / block][inputs][block].
            outputs: a multiple of `block`.
            block: one of `blocks`.
            other: of the result's shape.
        """
        inputs = x.shape[-1]
        y = x.new_empty((*x.shape[:-1], outputs))
        addresses = x.data_ptr(), packed, None if other is None else other.data_ptr(), y.data_ptr()
        self._multiply(*addresses, x.numel() // inputs, inputs, outputs, block, torch.get_num_threads())
        return y

    def takes(self, size: int) -> bool:
        """Whether `normalize` and `gate` take rows of this size."""
        return size % self._lanes == 0

    def normalize(self, x: Tensor, epsilon: float) -> Tensor:
        """Divide [rows, size] by the root of each row's mean square plus epsilon."""
        y = torch.empty_like(x)
        self._normalize(x.data_ptr(), y.data_ptr(), *x.shape, epsilon, torch.get_num_threads())
        return y

    def gate(self, mixed: Tensor) -> Tensor:
        """Give `silu(g) * u` for [rows, 2 (g, u) * size]."""
        rows, size = mixed.shape[0], mixed.shape[1] // 2
        y = mixed.new_empty((rows, size))
        self._gate(mixed.data_ptr(), y.data_ptr(), rows, size, torch.get_num_threads())
        return y

    def attends(self, heads: int, kv_heads: int, size: int) -> bool:
        """Whether `attend` takes heads of these numbers and this size."""
        return size % self._lanes == 0 and heads <= self._most_heads * kv_heads

    def attend(self, mixed: Tensor, cache: Tensor, positions: Tensor, scaling: float) -> Tensor:
        """Write each row's key and value into the cache and attend to what its request has there.

        Args:
            mixed: [rows, heads + 2 kv_heads, head_dim]: queries and keys, rotated, and values.
            cache: [2 (keys, values), rows or more, kv_heads, capacity, head_dim]; row i is that of `mixed`'s row i.
            positions: int64 [rows], where the new key goes: what comes after it is not read.
            scaling: of the products of queries and keys.

        Returns:
            [rows, heads, head_dim]
        """
        keys, values = cache
        _, kv_heads, capacity, size = keys.shape
        rows, heads = mixed.shape[0], mixed.shape[1] - 2 * kv_heads
        y = mixed.new_empty((rows, heads, size))
        addresses = [tensor.data_ptr() for tensor in (mixed, keys, values, positions, y)]
        group = heads // kv_heads
        self._attend(*addresses, rows, kv_heads, group, capacity, size, scaling, torch.get_num_threads())
        return y


def _function(library: ctypes.CDLL, name: str) -> Any:
    function = getattr(library, f"paddock_{name}")
    function.argtypes = [*_SIGNATURES[name], ctypes.c_int]
    function.restype = None
    return function


def _shares_openmp(library: ctypes.CDLL) -> bool:
    """Whether a library's OpenMP is PyTorch's: a second one would have threads that wait for the same processors."""
    theirs = ctypes.CDLL(str(Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"))
    ours, same = (ctypes.cast(each.omp_get_max_threads, ctypes.c_void_p).value for each in (library, theirs))
    return ours == same
