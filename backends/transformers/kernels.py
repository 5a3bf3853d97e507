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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
    "rotate": [_address] * 2 + [_count] * 4,
    "attend": [_address] * 3 + [_count] * 5 + [_number],
    "decode": [_address] * 5 + [_count] * 7 + [_number] * 2,
}
"""Of the functions in C, without the number of threads, which is the last of each."""


class Packed(NamedTuple):
    """Weights [outputs, inputs] as oneDNN packs them, [outputs / block][inputs][block], at an address."""

    address: int
    outputs: int
    block: int


@dataclass(frozen=True)
class Layers:
    """All layers of a model.

    Attributes:
        packed: of each layer the product that queries, keys and values are of, the attention's output, gate and up in
            one, and down.
        heads: of queries.
        scaling: of the products of queries and keys.
        epsilon: of the norms.
    """

    packed: Sequence[tuple[Packed, Packed, Packed, Packed]]
    heads: int
    kv_heads: int
    head_dim: int
    scaling: float
    epsilon: float

    @functools.cached_property
    def table(self) -> ctypes.Array[ctypes.c_int64]:
        """An address and a block for each product, as C reads them."""
        numbers = [number for layer in self.packed for each in layer for number in (each.address, each.block)]
        return (ctypes.c_int64 * len(numbers))(*numbers)


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
        functions = {name: _function(library, name) for name in _SIGNATURES}
        self._multiply, self._normalize, self._gate = (functions[name] for name in ("multiply", "normalize", "gate"))
        self._rotate, self._attend, self._decode = (functions[name] for name in ("rotate", "attend", "decode"))
        bounds = (ctypes.c_int64 * 5).in_dll(library, "paddock_bounds")
        self.most_rows, *blocks, self._most_heads, self._lanes = bounds
        self.blocks = tuple(blocks)

    def multiply(self, x: Tensor, packed: Packed, other: Tensor | None = None) -> Tensor:
        """Give `x W^T`, plus `other` [rows, outputs], for x [..., inputs] of `most_rows` rows at most."""
        inputs = x.shape[-1]
        y = x.new_empty((*x.shape[:-1], packed.outputs))
        addresses = x.data_ptr(), packed.address, None if other is None else other.data_ptr(), y.data_ptr()
        sizes = x.numel() // inputs, inputs, packed.outputs, packed.block
        self._multiply(*addresses, *sizes, torch.get_num_threads())
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

    def rotate(self, mixed: Tensor, angles: Tensor, rotated: int) -> None:
        """Multiply pairs of numbers by complex ones, in place.

        Args:
            mixed: [T, heads, head_dim].
            angles: complex64 [T, 1, head_dim / 2].
            rotated: how many of the heads, from the first.
        """
        self._rotate(
            mixed.data_ptr(), angles.data_ptr(), *mixed.shape[:2], rotated, mixed.shape[2], torch.get_num_threads()
        )

    def attends(self, heads: int, kv_heads: int, head_dim: int) -> bool:
        """Whether `attend` takes heads of these numbers and this size."""
        return head_dim % self._lanes == 0 and heads <= self._most_heads * kv_heads

    def attend(self, mixed: Tensor, places: Tensor, layer: int, kv_heads: int, scaling: float) -> Tensor:
        """Write each row's key and value into the cache and attend to what its request has there.

        Args:
            mixed: [rows, heads + 2 kv_heads, head_dim]: queries and keys, rotated, and values.
            places: of `places_of`, for these rows: what is beyond a row's position is not read.
            layer: index of the layer.
            kv_heads: of keys, and of values.
            scaling: of the products of queries and keys.

        Returns:
            [rows, heads, head_dim]
        """
        rows, all_heads, size = mixed.shape
        heads = all_heads - 2 * kv_heads
        y = mixed.new_empty((rows, heads, size))
        sizes = rows, layer, kv_heads, heads // kv_heads, size
        self._attend(mixed.data_ptr(), places.data_ptr(), y.data_ptr(), *sizes, scaling, torch.get_num_threads())
        return y

    def decode(self, layers: Layers, tokens: Tensor, angles: Tensor, places: Tensor) -> Tensor:
        """Compute all layers for tokens of requests that decode: the bits that the functions above give one by one.

        Args:
            layers: of sizes that `takes` and `attends` say yes to.
            tokens: [rows, hidden], of `most_rows` rows at most.
            angles: complex64 [rows, 1, head_dim / 2].
            places: as for `attend`.

        Returns:
            [rows, hidden]
        """
        rows, hidden = tokens.shape
        intermediate = layers.packed[0][2].outputs // 2
        width = layers.head_dim * (2 * layers.heads + 2 * layers.kv_heads)
        tokens, work = tokens.clone(), tokens.new_empty(rows * (2 * hidden + width + 3 * intermediate))
        addresses = (
            ctypes.addressof(layers.table),
            places.data_ptr(),
            angles.data_ptr(),
            tokens.data_ptr(),
            work.data_ptr(),
        )
        sizes = rows, len(layers.packed), hidden, intermediate, layers.kv_heads, layers.heads // layers.kv_heads
        factors = layers.scaling, layers.epsilon
        self._decode(*addresses, *sizes, layers.head_dim, *factors, torch.get_num_threads())
        return tokens


def places_of(blocks: Sequence[tuple[Tensor, Sequence[int]]]) -> Tensor:
    """Tell where tokens' keys and values are.

    Args:
        blocks: [layers, 2 (keys, values), rows, kv_heads, capacity, head_dim], with the positions of its first rows'
            new tokens.

    Returns:
        int64 [all rows, 5], as `place` in `kernels.c`; it holds addresses, so the blocks must live as long.
    """
    places = []
    for data, positions in blocks:
        layer, kind, row = data.stride()[:3]
        start, step = data.data_ptr(), row * data.element_size()
        places += [[start + i * step, layer, kind, data.shape[4], position] for i, position in enumerate(positions)]
    return torch.tensor(places, dtype=torch.int64)


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
