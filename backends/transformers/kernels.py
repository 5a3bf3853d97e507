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
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

PATH = Path(__file__).with_name("libkernels.so")
MOST_ROWS = 48
"""Of a product; with more, oneDNN's is as fast."""
BLOCKS = (64, 16)
"""Outputs that oneDNN packs side by side: the second where threads are more than blocks of the first."""
_LANES = 32  # what sizes are multiples of
_MOST_HEADS = 32  # query heads of a key head

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
    except OSError as error:
        logger.warning("the kernels can't be loaded: %s", error)
        return None


class Kernels:
    """The functions of `kernels.c`.

    Raises:
        OSError: the library can't be loaded, or brings an OpenMP of its own.
    """

    def __init__(self, path: Path) -> None:
        # Whoever lets go of Python's lock may get it back late: what is over within microseconds keeps it.
        releasing, keeping = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
        self._multiply = _function(releasing, "multiply")
        self._attend = _function(releasing, "attend")
        self._normalize = _function(keeping, "normalize")
        self._gate = _function(keeping, "gate")
        if releasing.omp_get_max_threads() != torch.get_num_threads():
            raise OSError("it runs with another OpenMP than PyTorch")

    def multiply(self, x: Tensor, packed: int, outputs: int, block: int, other: Tensor | None = None) -> Tensor:
        """Give `x W^T`, plus `other` [rows, outputs].

        Args:
            x: [..., inputs], of `MOST_ROWS` rows at most.
            packed: address of W as oneDNN packs it, [outputs / block][inputs][block].
            outputs: a multiple of `block`.
            block: one of `BLOCKS`.
            other: of the result's shape.
        """
        inputs = x.shape[-1]
        y = x.new_empty((*x.shape[:-1], outputs))
        addresses = x.data_ptr(), packed, None if other is None else other.data_ptr(), y.data_ptr()
        self._multiply(*addresses, x.numel() // inputs, inputs, outputs, block, torch.get_num_threads())
        return y

    def takes(self, size: int) -> bool:
        """Whether `normalize` and `gate` take rows of this size."""
        return size % _LANES == 0

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

    def attends(self, mixed: Tensor, kv_heads: int) -> bool:
        """Whether `attend` takes these."""
        _, heads, size = mixed.shape
        fits = size % _LANES == 0 and heads - 2 * kv_heads <= _MOST_HEADS * kv_heads
        return fits and mixed.dtype == torch.float32 and mixed.device.type == "cpu"

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


def _address_of(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


def _function(library: ctypes.CDLL, name: str) -> Any:
    function = getattr(library, f"paddock_{name}")
    function.argtypes = [*_SIGNATURES[name], ctypes.c_int]
    function.restype = None
    return function
