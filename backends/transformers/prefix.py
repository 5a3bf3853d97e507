"""Keys and values of the beginnings of prompts, kept for requests that begin alike.

A block is a whole prefill chunk, which is always computed in the same pieces: reusing it changes no bit of a result.
Blocks are copied out of and into the slots of requests; that costs about a thousandth of computing them. A block's
name is the hash of its tokens and of the name before it, so it stands for everything up to its end (the hash chain of
vLLM, arXiv:2309.06180, and others). Nobody can find two beginnings with the same name: BLAKE2b, 128 bits.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor


class PrefixCache:
    """Blocks by name; the least recently used make room.

    Args:
        block_tokens: tokens of a block.
        max_tokens: tokens kept at most.
    """

    def __init__(self, *, block_tokens: int, max_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._most_blocks = max_tokens // block_tokens
        self._blocks: OrderedDict[bytes, Tensor] = OrderedDict()

    @property
    def tokens(self) -> int:
        """How many are kept."""
        return len(self._blocks) * self._block_tokens

    def names(self, ids: Sequence[int], salt: str = "") -> list[bytes]:
        """Name the whole blocks that ids begin with, apart from those of other salts; none where nothing is kept."""
        names, name = list[bytes](), hashlib.blake2b(salt.encode(), digest_size=16).digest() if salt else b""
        for end in range(self._block_tokens, len(ids) + 1, self._block_tokens) if self._most_blocks else ():
            block = array("q", ids[end - self._block_tokens : end])
            name = hashlib.blake2b(name + block.tobytes(), digest_size=16).digest()
            names.append(name)
        return names

    def get(self, name: bytes) -> Tensor | None:
        """Give a block's keys and values, [layers, 2, kv_heads, block_tokens, head_dim], if it is kept."""
        return self._blocks.get(name)

    def keep(self, names: Sequence[bytes], data: Tensor) -> None:
        """Copy a block, the last of the names; those before it count as used with it, so that none outlives them."""
        if names[-1] not in self._blocks:
            self._blocks[names[-1]] = data.clone()
        self.touch(names)
        while len(self._blocks) > self._most_blocks:
            self._blocks.popitem(last=False)

    def touch(self, names: Sequence[bytes]) -> None:
        """Count blocks as used, the first of the names last."""
        for name in reversed(names):
            if name in self._blocks:
                self._blocks.move_to_end(name)
