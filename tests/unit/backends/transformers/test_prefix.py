"""What is kept, under which name, and what makes room."""

from __future__ import annotations

import torch

from backends.transformers.prefix import PrefixCache

DATA = torch.arange(4.0)


def cache(tokens=12):
    return PrefixCache(block_tokens=4, max_tokens=tokens)


def test_a_name_stands_for_all_that_comes_before():
    names = cache().names([1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert len(names) == 2
    assert cache().names([1, 2, 3, 4, 5, 6, 7, 8])[:2] == names
    assert cache().names([0, 2, 3, 4, 5, 6, 7, 8])[1] != names[1]
    assert cache().names([5, 6, 7, 8])[0] != names[1]
    assert not {*cache().names([1, 2, 3, 4, 5, 6, 7, 8], "salt")} & {*names}
    assert cache(tokens=3).names(range(99)) == []


def test_a_block_is_a_copy():
    kept, data = cache(), DATA.clone()
    kept.keep([b"a"], data)
    data.zero_()
    assert torch.equal(kept.get(b"a"), DATA)
    assert kept.get(b"b") is None
    assert kept.tokens == 4


def test_the_least_recently_used_make_room():
    kept = cache()
    for name in (b"a", b"b", b"c"):
        kept.keep([name], DATA)
    kept.touch([b"a"])
    kept.keep([b"d"], DATA)
    assert [kept.get(name) is not None for name in (b"a", b"b", b"c", b"d")] == [True, False, True, True]


def test_no_block_outlives_those_before_it():
    kept = cache()
    for length in range(1, 6):
        kept.keep([bytes([i]) for i in range(length)], DATA)
    assert [kept.get(bytes([i])) is not None for i in range(5)] == [True, True, True, False, False]
