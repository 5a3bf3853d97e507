"""Context-free rules: checked, trimmed of dead ends, and written as GBNF."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from services.grammar.characters import LAST, Ranges, gaps

MAX_RULES = 4000
MAX_PARTS = 100_000
MAX_TEXT = 2**20
MAX_WORK = 500_000
_MAX_TESTS = 3000
_MANY, _FEW, _LONGEST_RUN = 1000, 16, 128


class GrammarError(ValueError):
    """No grammar can be made of it. The message says why, and never quotes what was given."""


class Work:
    """What making the rules of one request may still cost, in parts looked at: microseconds each."""

    def __init__(self, left: int = MAX_WORK) -> None:
        self._left = left

    def spend(self, parts: int) -> None:
        """Take from what is left.

        Raises:
            GrammarError: it is not enough.
        """
        self._left -= parts
        if self._left < 0:
            raise GrammarError("is too complex: it takes too long to read")


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of a set, which is not empty; or, with counts, a run of them. `most` is None for no limit."""

    ranges: Ranges
    least: int = 1
    most: int | None = 1


class Rule:
    """A choice between sequences. Rules refer to each other, in circles too; each is equal to itself alone."""

    __slots__ = ("options",)

    def __init__(self, *options: Sequence) -> None:
        self.options: list[Sequence] = list(options)

    def add(self, *items: Item) -> None:
        """Add one more sequence to choose."""
        self.options.append(items)


Item: TypeAlias = str | Characters | Rule
Sequence: TypeAlias = tuple[Item, ...]


def write(root: Rule) -> str:
    """Write the rules that a root needs, in GBNF, the root first.

    What can't end is left out: an answer never gets where no finite text leads on.

    Raises:
        GrammarError: they match no finite text, there are too many, one begins with itself, or they would take a
            backend too long.
    """
    finite = _closed(_reachable([root], lambda rule: rule.options), lambda item: not isinstance(item, Rule))
    if root not in finite:
        raise GrammarError("matches no finite text")

    def kept(rule: Rule) -> Iterable[Sequence]:
        return (option for option in rule.options if all(not isinstance(i, Rule) or i in finite for i in option))

    rules = _reachable([root], kept)
    _refuse_left_recursion(rules, kept)
    names = {rule: f"r{index}" if index else "root" for index, rule in enumerate(rules)}
    lines, left, tests = list[str](), MAX_TEXT, 0
    for rule in rules:
        lines.append(f"{names[rule]} ::= {' | '.join(dict.fromkeys(_text(o, names) for o in kept(rule)))}\n")
        left -= len(lines[-1])
        tests += _tests(kept(rule))
        if left < 0:
            raise GrammarError(f"is too complex: written out it takes more than {MAX_TEXT} characters")
        if tests > _MAX_TESTS:
            raise GrammarError(
                "is too complex: a place where most characters may come takes long to prepare, and it has too many; "
                "each maxLength above 64 that differs from the others makes 128, and a minLength as many as it says"
            )
    return "".join(lines)


def _tests(options: Iterable[Sequence]) -> int:
    """Weigh a rule by how often the whole vocabulary has to be tested to follow it.

    That is once for each place where a character of a set may come, measured with Llama 3.1's vocabulary and xgrammar
    0.2: about 20 ms where most characters may, 5 ms for letters, next to nothing for digits. A run has as many places
    as it is long, up to 128; those at which options begin are one.
    """
    first, total = 0, 0
    for option in options:
        for index, item in enumerate(option):
            if isinstance(item, Characters):
                breadth = sum(high - low + 1 for low, high in item.ranges)
                weight = 5 if breadth > _MANY else 1 if breadth > _FEW else 0
                places = min(max(item.least, item.most or 1), _LONGEST_RUN)
                if index:
                    total += weight * places
                else:
                    first, total = max(first, weight), total + weight * (places - 1)
    return first + total


def _reachable(roots: list[Rule], options: Callable[[Rule], Iterable[Sequence]]) -> list[Rule]:
    """List the rules that roots lead to."""
    found, pending, parts = dict.fromkeys(roots), list(roots), 0
    while pending:
        for option in options(pending.pop()):
            parts += len(option) + 1
            new = [item for item in dict.fromkeys(option) if isinstance(item, Rule) and item not in found]
            found.update(dict.fromkeys(new))
            pending += new
        if len(found) > MAX_RULES or parts > MAX_PARTS:
            raise GrammarError(f"is too complex: it takes more than {MAX_RULES} rules or {MAX_PARTS} parts")
    return list(found)


def _closed(rules: list[Rule], holds: Callable[[Item], bool]) -> set[Rule]:
    """Find the rules with an option of which all items hold, where a rule that was found holds too."""
    waiting: dict[Rule, list[tuple[Rule, list[int]]]] = defaultdict(list)
    found, pending = set[Rule](), list[Rule]()
    for rule in rules:
        for option in rule.options:
            missing = [item for item in option if not holds(item)]
            if not missing:
                pending.append(rule)
            elif all(isinstance(item, Rule) for item in missing):
                left = [len(missing)]
                for item in missing:
                    waiting[item].append((rule, left))  # type: ignore[index]
    while pending:
        rule = pending.pop()
        if rule in found:
            continue
        found.add(rule)
        for dependent, left in waiting[rule]:
            left[0] -= 1
            if not left[0]:
                pending.append(dependent)
    return found


def _refuse_left_recursion(rules: list[Rule], options: Callable[[Rule], Iterable[Sequence]]) -> None:
    """Refuse circles without a character: followed for ever, or in more ways than can be counted."""
    empty = _closed(rules, lambda item: item == "" or (isinstance(item, Characters) and item.least == 0))
    starts = {rule: [start for option in options(rule) for start in _starts(option, empty)] for rule in rules}
    before: dict[Rule, int] = dict.fromkeys(rules, 0)
    for rule in rules:
        for start in starts[rule]:
            before[start] += 1
    pending = [rule for rule in rules if not before[rule]]
    sorted_out = 0
    while pending:
        sorted_out += 1
        for start in starts[pending.pop()]:
            before[start] -= 1
            if not before[start]:
                pending.append(start)
    if sorted_out < len(rules):
        raise GrammarError("has a part that begins with itself, or repeats what may be empty")


def _starts(option: Sequence, empty: set[Rule]) -> Iterable[Rule]:
    """Name the rules that a sequence may begin with."""
    for item in option:
        if isinstance(item, Rule):
            yield item
            if item not in empty:
                return
        elif item if isinstance(item, str) else item.least:
            return


def _text(option: Sequence, names: dict[Rule, str]) -> str:
    words = [names[item] if isinstance(item, Rule) else _terminal(item) for item in option if item != ""]
    return " ".join(words) or '""'


def _terminal(item: str | Characters) -> str:
    if isinstance(item, str):
        return f'"{"".join(map(_character, map(ord, item)))}"'
    # A set without end is told by what it lacks: xgrammar 0.2.8 allows wrong tokens where a long run of it is told by
    # what it holds.
    endless = item.ranges[-1][1] == LAST
    told = gaps(item.ranges) if endless else item.ranges
    ranges = (_character(low) if low == high else f"{_character(low)}-{_character(high)}" for low, high in told)
    count = "" if (item.least, item.most) == (1, 1) else f"{{{item.least},{'' if item.most is None else item.most}}}"
    return f"[{'^' * endless}{''.join(ranges)}]{count}"


def _character(code: int) -> str:
    """Spell a character so that it means itself in strings and in sets, whatever follows."""
    character = chr(code)
    if character.isascii() and character.isalnum():
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
