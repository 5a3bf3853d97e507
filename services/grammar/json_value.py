"""The rules of JSON, RFC 8259, each value spelled in one way: `", "` and `": "` between, no other whitespace.

Characters are written as they are and escaped only where they must be. So a string's length is what it is written with,
and no name can be spelled in a way that hides that it is another's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from services.grammar import number
from services.grammar.automaton import Automaton, rules
from services.grammar.characters import ALL, Ranges, intersect, of, without
from services.grammar.rule import Characters, Item, Rule, Sequence, Work

PLAIN = tuple(intersect(((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x10FFFF)), ALL))
"""What a string holds without an escape."""
_SHORT = {"\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r", '"': '"', "\\": "\\"}
_LONG_CHAINS = 64
"""Counted character by character up to here. Beyond, the library's own counting is quicker to compile."""
_LONG_RUN = 128
"""Characters that must be there, at most in a row: of more, xgrammar 0.2.8 allows only tokens of one character."""


def literal(value: Any) -> str:
    """Write a value."""
    return json.dumps(value, ensure_ascii=False)


def spell(ranges: Ranges) -> list[tuple[Item, ...]]:
    """Say how characters are written inside a string."""
    ways: list[tuple[Item, ...]] = []
    if plain := intersect(ranges, PLAIN):
        ways.append((Characters(plain),))
    if short := intersect(ranges, of("".join(_SHORT))):
        letters = "".join(_SHORT[chr(code)] for low, high in short for code in range(low, high + 1))
        ways.append(("\\", Characters(of(letters))))
    for start in (0x00, 0x10):
        codes = (code for low, high in intersect(ranges, ((start, start + 0xF),)) for code in range(low, high + 1))
        if digits := "".join(f"{code & 0xF:x}" for code in codes if chr(code) not in _SHORT):
            ways.append((f"\\u{start >> 4:03x}", Characters(of(digits))))
    return ways


def text(automaton: Automaton, work: Work) -> Rule:
    """Make the rule of the strings whose content an automaton accepts."""
    return Rule(('"', rules(automaton, spell, '"', work)))


def text_but(names: Iterable[str], work: Work) -> Rule:
    """Make the rule of the strings that are none of these."""
    steps, ends, free = [dict[int, Ranges](), {}], set[int](), 1
    children: dict[tuple[int, str], int] = {}
    for name in names:
        work.spend(100 * len(name))
        state = 0
        for character in name:
            if (state, character) not in children:
                children[state, character] = len(steps)
                steps.append({})
            state = children[state, character]
        ends.add(state)
    taken: dict[int, str] = {}
    for (state, character), child in children.items():
        steps[state][child] = intersect(of(character), ALL)
        taken[state] = taken.get(state, "") + character
    for state, ways in enumerate(steps):
        ways[free] = without(of(taken.get(state, "")))
    return text(Automaton(steps, frozenset(range(len(steps))) - ends), work)


def array(items: list[Rule], more: Rule | None, least: int, most: int | None, work: Work) -> Rule:
    """Make the rule of arrays: these items, then others of one kind, or none where that is None; so many in all."""
    exact = max(len(items), least, 1) if most is None else most  # counted one by one so far
    work.spend(10 * exact)
    after = Rule(("]",))
    if most is None and more is not None:
        after.add(", ", more, after)
    for index in reversed(range(exact)):
        item = items[index] if index < len(items) else more
        before = Rule() if index < least else Rule(("]",))
        if item is not None:
            before.add(", " if index else "", item, after)
        after = before
    return Rule(("[", after))


def members(
    parts: Collection[tuple[Sequence, bool]], more: Sequence | None, least: int, most: int | None, work: Work
) -> Rule:
    """Make the rule of objects.

    Args:
        parts: members in their order, each with whether it must be there.
        more: a further member, as many of which may follow; `most` counts only these.
        least: 0 or 1: whether the object may be empty, should no member be required.
    """
    work.spend(5 * (len(parts) + (most or 0)))
    rest, first = Rule(("}",)), Rule() if least else Rule(("}",))
    if more is not None and most is None:
        rest.add(", ", *more, rest)
        first.add(*more, rest)
    elif more is not None:
        for index in reversed(range(most or 0)):
            rest = Rule(("}",), (", " if index else "", *more, rest)) if index or not least else Rule((*more, rest))
        return Rule(("{", rest))
    for part, required in reversed(list(parts)):
        rest, first = Rule((", ", *part, rest)), Rule((*part, rest), *(() if required else ((first,),)))
        if not required:
            rest.add(rest.options[0][-1])
    return Rule(("{", first))


class Values:
    """The rules of any value, made once per grammar, and what making the others may still cost."""

    def __init__(self) -> None:
        self.work = Work()
        self._free = Rule(('"',))
        self._free.options += self._character(self._free)
        self._at_most = [Rule(('"',))]
        self.text = self.string(0, None)
        self.number = number.number(number.Bounds())
        self.integer = number.integer(number.Bounds())
        self.boolean = Rule(("true",), ("false",))
        self.null = Rule(("null",))
        self.any = Rule((self.text,), (self.number,), (self.boolean,), (self.null,))
        self.array = array([], self.any, 0, None, self.work)
        self.object = members([], (self.text, ": ", self.any), 0, None, self.work)
        self.any.options += [(self.array,), (self.object,)]

    def string(self, least: int, most: int | None) -> Rule:
        """Make the rule of strings of so many characters; where they may be more than 64, of such as need no escape.

        Strings of up to 64 end in the same rules, however many lengths there are.
        """
        if max(least, most or 0) > _LONG_CHAINS:
            further = None if most is None else most - least
            counts = [*[(_LONG_RUN, _LONG_RUN)] * (least // _LONG_RUN), (least % _LONG_RUN,) * 2, (0, further)]
            return Rule(('"', *(Characters(PLAIN, *count) for count in counts if count[1] != 0), '"'))
        while most is not None and len(self._at_most) <= most - least:
            self._at_most.append(Rule(*self._character(self._at_most[-1]), ('"',)))
        rest = self._free if most is None else self._at_most[most - least]
        for _ in range(least):
            rest = Rule(*self._character(rest))
        return Rule(('"', rest))

    def _character(self, rest: Rule) -> list[Sequence]:
        self.work.spend(5)
        return [(*items, rest) for items in spell(ALL)]
