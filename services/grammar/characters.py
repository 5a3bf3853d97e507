"""Sets of characters, as sorted ranges of code points without overlap."""

from __future__ import annotations

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""Inclusive, sorted, neither touching nor overlapping."""

LAST = 0x10FFFF
ALL: Ranges = ((0x01, 0xD7FF), (0xE000, LAST))
"""What text may hold: no surrogates, and no NUL, which ends a text where it doesn't know better."""


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Join ranges given in any order."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    return tuple(joined)


def intersect(some: Ranges, others: Ranges) -> Ranges:
    """Keep what is in both."""
    both = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return tuple((low, high) for low, high in both if low <= high)


def gaps(ranges: Ranges) -> Ranges:
    """Give all code points but these."""
    found, start = list[tuple[int, int]](), 0
    for low, high in ranges:
        if start < low:
            found.append((start, low - 1))
        start = high + 1
    return (*found, (start, LAST)) if start <= LAST else tuple(found)


def without(ranges: Ranges) -> Ranges:
    """Give all of `ALL` but these."""
    return intersect(gaps(ranges), ALL)


def of(text: str) -> Ranges:
    """Give the set of a text's characters."""
    return union((ord(character), ord(character)) for character in text)
