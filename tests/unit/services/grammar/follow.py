"""Matching texts against rules, by trying: the judge in tests, for small texts."""

from __future__ import annotations

from services.grammar.rule import Characters, Rule


def matches(rule: Rule, text: str) -> bool:
    """Tell whether a whole text matches a rule that does not begin with itself."""
    return len(text) in _ends(rule, text, 0, {})


def _ends(item: object, text: str, start: int, known: dict[tuple[int, int], set[int]]) -> set[int]:
    if isinstance(item, str):
        return {start + len(item)} if text.startswith(item, start) else set()
    if isinstance(item, Characters):
        ends, end = {start} if not item.least else set(), start
        while end < len(text) and any(low <= ord(text[end]) <= high for low, high in item.ranges):
            end += 1
            if end - start >= item.least:
                ends.add(end)
            if end - start == item.most:
                break
        return ends
    assert isinstance(item, Rule)
    key = id(item), start
    if key not in known:
        known[key] = set()
        for option in item.options:
            places = {start}
            for part in option:
                places = {end for place in places for end in _ends(part, text, place, known)}
            known[key] |= places
    return known[key]
