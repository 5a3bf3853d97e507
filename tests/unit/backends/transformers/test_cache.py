"""The cache keeps each request's tokens, however others come, grow and go."""

from __future__ import annotations

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backends.transformers.cache import Geometry, KVCache, capacity_for

GEOMETRY = Geometry(layers=2, kv_heads=1, head_dim=2, dtype=torch.float32, device=torch.device("cpu"))


def test_capacities():
    series = [capacity_for(tokens) for tokens in (1, 64, 65, 96, 97, 129, 193, 257, 8193)]
    assert series == [64, 64, 96, 96, 128, 192, 256, 384, 12288]
    for tokens in range(65, 3000):
        assert tokens <= capacity_for(tokens) < 1.5 * tokens


def test_bytes_per_token():
    assert GEOMETRY.bytes_per_token == 2 * 2 * 1 * 2 * 4


def test_free_rows_are_bounded():
    """As `cache_gib` tells: by the rows in use, and in all."""
    most_free = 0
    for capacity in sorted({capacity_for(tokens) for tokens in range(1, 4097)}):
        cache, free = KVCache(Geometry(1, 1, 1, torch.int8, torch.device("cpu"))), [0]
        for occupied in range(1, 130):
            lease = cache.open(occupied, capacity)
            lease.length = capacity - 1
            cache.make_room(lease)
            free.append(sum(block.rows for block in cache.blocks) - occupied)
            assert free[-1] <= occupied
        most_free += max(free) * capacity
    assert most_free == 33_376


class CacheMachine(RuleBasedStateMachine):
    """Leases are opened, filled, moved to shared blocks, grown and released in any order."""

    def __init__(self):
        super().__init__()
        self.cache = KVCache(GEOMETRY)
        self.leases = {}
        self.opened = 0

    def value(self, ticket, position):
        return float(ticket * 10000 + position)

    @rule(tokens=st.integers(1, 300))
    def open(self, tokens):
        lease = self.cache.open(self.opened, tokens)
        assert not lease.slot.any()
        for position in range(tokens):
            lease.slot[..., position, :] = self.value(self.opened, position)
        lease.length = tokens
        self.leases[self.opened] = lease
        self.opened += 1

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), count=st.integers(1, 40))
    def decode(self, data, count):
        ticket = data.draw(st.sampled_from(sorted(self.leases)))
        lease = self.leases[ticket]
        for _ in range(count):
            self.cache.make_room(lease)
            assert lease.block.capacity == capacity_for(lease.length + 1)
            assert not lease.slot[..., lease.length :, :].isnan().any()
            lease.slot[..., lease.length, :] = self.value(ticket, lease.length)
            lease.length += 1

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.leases)))
        lease = self.leases.pop(ticket)
        lease.slot[:] = float("nan")
        self.cache.release(lease)

    @invariant()
    def everything_is_where_it_belongs(self):
        assert self.cache.slots_in_use == len(self.leases)
        for ticket, lease in self.leases.items():
            expected = torch.tensor([self.value(ticket, position) for position in range(lease.length)])
            assert (lease.slot[..., : lease.length, :] == expected[:, None]).all()
            assert lease.block.leases[lease.row] is lease
        for block in self.cache.blocks:
            assert 0 < len(block.leases) <= block.rows
        occupied = sum(lease.block.capacity for lease in self.leases.values()) * GEOMETRY.bytes_per_token
        assert self.cache.bytes_allocated <= 2 * occupied


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=25, stateful_step_count=25, derandomize=True, database=None)
