"""What regular expressions and EBNF have in common, and how it becomes rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.grammar.characters import Ranges
from services.grammar.rule import MAX_PARTS, MAX_RULES, Characters, GrammarError, Item, Rule, Sequence

MAX_DEPTH = 64
"""Groups in groups."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One after the other."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """As often as that; `most` is None for no limit."""

    part: Expression
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Name:
    """What the rule of that name matches."""

    name: str


Expression: TypeAlias = str | Ranges | Chain | Choice | Repeat | Name
"""A string is itself, a tuple of ranges one character."""


class Unfolding:
    """Makes rules of expressions, up to `MAX_RULES` with `MAX_PARTS` in all.

    Each part is made with what follows it, so that a repetition becomes a rule whose last item is itself.
    """

    def __init__(self, named: Callable[[str], Rule]) -> None:
        self._named = named
        self._made = self._parts = 0

    def into(self, rule: Rule, expression: Expression) -> None:
        """Give a rule the options of an expression."""
        rule.add(*self._follow(expression, ()))

    def _rule(self, *options: Sequence) -> Rule:
        self._made += 1
        self._parts += sum(map(len, options))
        if self._made > MAX_RULES or self._parts > MAX_PARTS:
            raise GrammarError(f"is too complex: it takes more than {MAX_RULES} rules or {MAX_PARTS} parts")
        return Rule(*options)

    def _follow(self, expression: Expression, rest: Sequence) -> Sequence:
        """Give the sequence that is the expression and then the rest."""
        if isinstance(expression, Chain):
            return self._chain(expression, rest)
        if isinstance(expression, Choice):
            shared = self._shared(rest) if len(expression.parts) > 1 else rest
            return (self._rule(*(self._follow(part, shared) for part in expression.parts)),)
        if isinstance(expression, Repeat):
            return self._repeat(expression, rest)
        return (self._item(expression), *rest)

    def _chain(self, chain: Chain, rest: Sequence) -> Sequence:
        items = list[Item]()  # from the last to the first, as long sequences would be copied with each
        for part in reversed(chain.parts):
            if isinstance(part, Chain | Choice | Repeat):
                rest, items = self._follow(part, (*reversed(items), *rest)), []
            else:
                items.append(self._item(part))
        return (*reversed(items), *rest)

    def _item(self, expression: str | Ranges | Name) -> Item:
        if isinstance(expression, Name):
            return self._named(expression.name)
        return expression if isinstance(expression, str) else Characters(expression)

    def _repeat(self, repeat: Repeat, rest: Sequence) -> Sequence:
        if repeat.most is None:
            again = self._rule(rest)
            again.options.insert(0, self._follow(repeat.part, (again,)))
            rest = (again,)
        else:
            shared = self._shared(rest)
            for _ in range(repeat.most - repeat.least):
                rest = (self._rule(self._follow(repeat.part, rest), shared),)
        for _ in range(repeat.least):
            rest = self._follow(repeat.part, self._shared(rest))
        return rest

    def _shared(self, rest: Sequence) -> Sequence:
        """Put a long rest into a rule of its own, so that it isn't written again and again."""
        return rest if len(rest) <= 1 else (self._rule(rest),)
