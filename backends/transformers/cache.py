"""Keys and values of the requests being computed.

A request first has a slot of its own, filled by prefill chunks; then it lives in a row of a *block*, beside others
of the same capacity, so that decode attention over a block needs no gathering. Capacities form a geometric series:
a request that outgrows its row moves to a block of the next capacity (copied O(log length) times in its life), and
padding is below a third beyond the first 64 tokens. Rows are kept without holes: the last row of the last block
moves into the one that is freed. Memory is taken and given back as requests come and go; how much is promised at
once is the scheduler's affair (`capacity_for` says what a request may come to hold). Free rows come on top:
in each capacity as many as are occupied at most, and none in capacities above 2048, so 33,376 tokens in all at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_SMALLEST = 64  # tokens of the smallest capacity
_BLOCK_TOKENS = 4096  # a block holds about this many at most, or one row
_MOST_ROWS = 32
_FEWEST_ROWS = 2


@dataclass(frozen=True)
class Geometry:
    """Shape of what one token leaves in the cache."""

    layers: int
    kv_heads: int
    head_dim: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """Bytes of a token's keys and values over all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.dtype.itemsize


@dataclass(eq=False)
class Block:
    """Rows of one capacity.

    Attributes:
        data: [layers, 2 (keys, values), rows, kv_heads, capacity, head_dim].
        leases: the occupants of rows 0 to n-1.
    """

    data: Tensor
    leases: list[Lease] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.data.shape[2]

    @property
    def capacity(self) -> int:
        """Tokens per row."""
        return self.data.shape[4]


@dataclass(eq=False)
class Lease:
    """A request's place in the cache. `length` tokens of it are filled."""

    ticket: int
    block: Block
    row: int
    length: int = 0

    @property
    def slot(self) -> Tensor:
        """[layers, 2, kv_heads, capacity, head_dim]"""
        return self.block.data[:, :, self.row]


def capacity_for(tokens: int) -> int:
    """Round up to the series 64, 96, 128, 192, 256, 384, ...

    It doesn't stop at the context length: which capacity a request gets is to follow from its own length alone.
    """
    capacity = _SMALLEST
    while capacity < tokens:
        power = capacity & (capacity - 1) == 0
        capacity = capacity * 3 // 2 if power else capacity * 4 // 3
    return capacity


class KVCache:
    """Owner of all blocks. Not thread-safe: the worker's thread alone uses it."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self._shared: dict[int, list[Block]] = {}
        self._private: set[Block] = set()

    @property
    def blocks(self) -> list[Block]:
        """Blocks whose rows decode, smallest capacity first."""
        return [block for capacity in sorted(self._shared) for block in self._shared[capacity]]

    @property
    def slots_in_use(self) -> int:
        return len(self._private) + sum(len(block.leases) for block in self.blocks)

    @property
    def bytes_allocated(self) -> int:
        """Bytes of all blocks, free rows included."""
        return sum(block.data.nbytes for block in [*self.blocks, *self._private])

    def open(self, ticket: int, tokens: int) -> Lease:
        """Give a request a slot of its own, zeroed, with room for `tokens`."""
        block = self._allocate(1, capacity_for(tokens))
        block.data.zero_()
        lease = Lease(ticket, block, 0)
        block.leases.append(lease)
        self._private.add(block)
        return lease

    def make_room(self, lease: Lease) -> None:
        """See to it that the lease is a row of a shared block with room for one more token."""
        if lease.length < lease.block.capacity and lease.block not in self._private:
            return
        target = self._free_block(capacity_for(lease.length + 1))
        source, old_block, old_row = lease.slot, lease.block, lease.row
        destination = target.data[:, :, len(target.leases)]
        filled = min(old_block.capacity, target.capacity)
        destination[..., :filled, :] = source[..., :filled, :]
        # Zeros, not what a former occupant left: PyTorch's attention, for where there are no kernels, multiplies it by
        # a weight of 0, which a NaN would survive.
        destination[..., filled:, :].zero_()
        lease.block, lease.row = target, len(target.leases)
        target.leases.append(lease)
        self._vacate(old_block, old_row)

    def release(self, lease: Lease) -> None:
        """Give a request's place back."""
        self._vacate(lease.block, lease.row)

    def _allocate(self, rows: int, capacity: int) -> Block:
        shape = self.geometry
        size = (shape.layers, 2, rows, shape.kv_heads, capacity, shape.head_dim)
        return Block(torch.empty(size, dtype=shape.dtype, device=shape.device))

    def _free_block(self, capacity: int) -> Block:
        """Find the block of a capacity that has a free row (all but the last are full), or add one."""
        blocks = self._shared.get(capacity, [])
        if blocks and len(blocks[-1].leases) < blocks[-1].rows:
            return blocks[-1]
        wanted = max(_FEWEST_ROWS, sum(block.rows for block in blocks))
        block = self._allocate(max(1, min(wanted, _MOST_ROWS, _BLOCK_TOKENS // capacity)), capacity)
        self._shared.setdefault(capacity, []).append(block)
        return block

    def _vacate(self, block: Block, row: int) -> None:
        if block in self._private:
            self._private.discard(block)
            return
        blocks = self._shared[block.capacity]
        last = blocks[-1]
        moved = last.leases.pop()
        if last is not block or len(last.leases) != row:
            block.data[:, :, row] = moved.slot
            moved.block, moved.row = block, row
            block.leases[row] = moved
        if not last.leases:
            blocks.pop()
        if not blocks:
            del self._shared[block.capacity]
