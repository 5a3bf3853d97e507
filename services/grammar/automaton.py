"""Deterministic automata of regular expressions: at each character there is one way on, or none.

Subsets of the states of a nondeterministic automaton (Rabin and Scott 1959), over ranges of characters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.grammar.characters import Ranges, union
from services.grammar.expression import Chain, Choice, Expression, Name, Repeat
from services.grammar.rule import Characters, GrammarError, Item, Rule, Work

MAX_STATES = 1000
_TOO_COMPLEX = f"is too complex: it takes more than {MAX_STATES} states"


@dataclass
class _Nondeterministic:
    """State 0 is the start; `edges` go by a character, `jumps` by none."""

    work: Work
    edges: list[list[tuple[int, int, int]]] = field(default_factory=list)
    jumps: list[list[int]] = field(default_factory=list)

    def state(self) -> int:
        """Make a state."""
        self.work.spend(5)
        self.edges.append([])
        self.jumps.append([])
        return len(self.edges) - 1

    def add(self, expression: Expression, start: int) -> int:
        """Add an expression from a state on, and give the state where it ends."""
        if isinstance(expression, Name):
            raise TypeError("regular expressions have no names")
        if isinstance(expression, Chain):
            for part in expression.parts:
                start = self.add(part, start)
            return start
        if isinstance(expression, str):
            return self.add(Chain(tuple(((ord(character),) * 2,) for character in expression)), start)
        end = self.state()
        if isinstance(expression, Choice):
            for part in expression.parts:
                first = self.state()
                self.jumps[start].append(first)
                self.jumps[self.add(part, first)].append(end)
        elif isinstance(expression, Repeat):
            self._repeat(expression, start, end)
        else:
            self.work.spend(len(expression))
            self.edges[start] += [(low, high, end) for low, high in expression]
        return end

    def _repeat(self, repeat: Repeat, start: int, end: int) -> None:
        for _ in range(repeat.least):
            start = self.add(repeat.part, start)
        if repeat.most is None:
            loop = self.state()
            self.jumps[start].append(loop)
            self.jumps[self.add(repeat.part, loop)].append(loop)
            start = loop
        else:
            for _ in range(repeat.most - repeat.least):
                self.jumps[start].append(end)
                start = self.add(repeat.part, start)
        self.jumps[start].append(end)

    def closure(self, states: set[int]) -> frozenset[int]:
        """Add the states that are reached without a character."""
        pending = list(states)
        while pending:
            for target in self.jumps[pending.pop()]:
                if target not in states:
                    states.add(target)
                    pending.append(target)
        return frozenset(states)


@dataclass(frozen=True)
class Automaton:
    """Deterministic; state 0 is the start.

    Attributes:
        steps: of each state, the characters that lead to each next one.
        final: states where a text may end.
    """

    steps: list[dict[int, Ranges]]
    final: frozenset[int]

    def bounded(self, least: int, most: int | None, work: Work) -> Automaton:
        """Hold the texts to a number of characters."""
        top = least if most is None else most + 1
        places: dict[tuple[int, int], int] = {(0, 0): 0}
        steps, final, pending = list[dict[int, Ranges]](), set[int](), [(0, 0)]
        for state, count in pending:
            after = min(count + 1, top)
            if state in self.final and least <= count:
                final.add(places[state, count])
            targets = {} if most is not None and after > most else self.steps[state]
            work.spend(1 + len(targets))
            for target in targets:
                if (target, after) not in places:
                    _limit(places)
                    places[target, after] = len(places)
                    pending.append((target, after))
            steps.append({places[target, after]: ranges for target, ranges in targets.items()})
        return Automaton(steps, frozenset(final))


def determinize(expression: Expression, work: Work) -> Automaton:
    """Make a deterministic automaton.

    Raises:
        GrammarError: it takes more than `MAX_STATES` states, or more work than is left.
    """
    loose = _Nondeterministic(work)
    end = loose.add(expression, loose.state())
    start = loose.closure({0})
    places, steps, pending = {start: 0}, list[dict[int, Ranges]](), [start]
    for states in pending:
        edges = [edge for state in states for edge in loose.edges[state]]
        work.spend(len(states) + len(edges))
        ways: dict[int, list[tuple[int, int]]] = {}
        for low, high, targets in _split(edges):
            closed = loose.closure(targets)
            work.spend(len(closed))
            if closed not in places:
                _limit(places)
                places[closed] = len(places)
                pending.append(closed)
            ways.setdefault(places[closed], []).append((low, high))
        steps.append({target: union(ranges) for target, ranges in ways.items()})
    return Automaton(steps, frozenset(place for states, place in places.items() if end in states))


def rules(automaton: Automaton, spell: Callable[[Ranges], list[tuple[Item, ...]]], end: str, work: Work) -> Rule:
    """Make rules of an automaton, one per state, each ending with the next.

    Args:
        spell: how characters are written: the sequences to choose from.
        end: written where a text ends.
    """
    made = [Rule() for _ in automaton.steps]
    for state, rule in enumerate(made):
        for target, ranges in automaton.steps[state].items():
            work.spend(5 + len(ranges))
            for items in spell(ranges):
                rule.add(*items, made[target])
        if state in automaton.final:
            rule.add(end)
    return made[0]


def plain(ranges: Ranges) -> list[tuple[Item, ...]]:
    """Write characters as they are."""
    return [(Characters(ranges),)]


def _limit(places: dict[frozenset[int], int] | dict[tuple[int, int], int]) -> None:
    if len(places) >= MAX_STATES:
        raise GrammarError(_TOO_COMPLEX)


def _split(edges: list[tuple[int, int, int]]) -> list[tuple[int, int, set[int]]]:
    """Cut ranges where others begin or end, and gather the targets of each piece."""
    opening: dict[int, list[int]] = {}
    closing: dict[int, list[int]] = {}
    for low, high, target in edges:
        opening.setdefault(low, []).append(target)
        closing.setdefault(high + 1, []).append(target)
    pieces, active, last = list[tuple[int, int, set[int]]](), dict[int, int](), 0
    for point in sorted({*opening, *closing}):
        if active:
            pieces.append((last, point - 1, set(active)))
        for target in opening.get(point, ()):
            active[target] = active.get(target, 0) + 1
        for target in closing.get(point, ()):
            active[target] -= 1
            if not active[target]:
                del active[target]
        last = point
    return pieces
