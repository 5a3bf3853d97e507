"""Reading EBNF: GBNF, the notation of llama.cpp and xgrammar, in what they have in common."""

from __future__ import annotations

import re

from services.grammar.characters import ALL, Ranges, intersect, union, without
from services.grammar.expression import MAX_DEPTH, Chain, Choice, Expression, Name, Repeat, Unfolding
from services.grammar.rule import GrammarError, Rule

MAX_LENGTH = 64 * 1024
_MAX_COUNT = 1000

_SPACE = re.compile(r"(?:\s|#[^\n]*)+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_DEFINED = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)(?:[ \t])*::=")
_COUNT = re.compile(r"\{\s*([0-9]{1,5})\s*(?:(,)\s*([0-9]{1,5})?\s*)?\}")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_HEX = {"x": 2, "u": 4, "U": 8}


def read(source: str) -> Rule:
    """Read a grammar and give its rule `root`.

    Raises:
        GrammarError: it can't be read, or is too complex.
    """
    if len(source) > MAX_LENGTH:
        raise GrammarError(f"is longer than {MAX_LENGTH} characters")
    expressions = _Reader(source).whole()
    rules = {name: Rule() for name in expressions}
    if "root" not in rules:
        raise GrammarError("can't be followed: it has no rule root")

    def named(name: str) -> Rule:
        if name not in rules:
            raise GrammarError("can't be followed: it names a rule that it doesn't define")
        return rules[name]

    unfolding = Unfolding(named)
    for name, expression in expressions.items():
        unfolding.into(rules[name], expression)
    return rules["root"]


class _Reader:
    def __init__(self, source: str) -> None:
        self._source, self._at, self._depth = source, 0, 0

    def whole(self) -> dict[str, Expression]:
        """Read all rules."""
        expressions: dict[str, Expression] = {}
        self._skip()
        while self._at < len(self._source):
            match = _DEFINED.match(self._source, self._at)
            if match is None:
                raise self._error("no rule where one should begin")
            if match[1] in expressions:
                raise self._error("a rule that is defined twice")
            self._at = match.end()
            expressions[match[1]] = self._choice()
        return expressions

    def _choice(self) -> Expression:
        branches = [self._chain()]
        while self._take("|"):
            branches.append(self._chain())
        return Choice(tuple(branches)) if len(branches) > 1 else branches[0]

    def _chain(self) -> Expression:
        parts = list[Expression]()
        self._skip()
        while self._at < len(self._source) and self._source[self._at] not in "|)":
            if _DEFINED.match(self._source, self._at):
                break
            parts.append(self._repeated())
            self._skip()
        if not parts:
            raise self._error('an empty choice: write ""')
        return Chain(tuple(parts))

    def _repeated(self) -> Expression:
        part = self._atom()
        while True:
            for sign, counts in {"*": (0, None), "+": (1, None), "?": (0, 1)}.items():
                if self._source.startswith(sign, self._at):
                    self._at += 1
                    return Repeat(part, *counts)
            if not self._source.startswith("{", self._at):
                return part
            match = _COUNT.match(self._source, self._at)
            if match is None:
                raise self._error("a count other than {2}, {2,} or {2,5}")
            self._at = match.end()
            least = int(match[1])
            most = least if not match[2] else int(match[3]) if match[3] else None
            if max(least, most or 0) > _MAX_COUNT or (most is not None and most < least):
                raise self._error(f"a count that is not in order, or above {_MAX_COUNT}")
            return Repeat(part, least, most)

    def _atom(self) -> Expression:
        character = self._source[self._at]
        if character == "(":
            return self._group()
        if character == '"':
            return self._string()
        if character == "[":
            return self._set()
        match = _NAME.match(self._source, self._at)
        if match is None:
            raise self._error("neither a string, a set, a group nor a name")
        self._at = match.end()
        return Name(match[0])

    def _group(self) -> Expression:
        self._at += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"groups more than {MAX_DEPTH} deep")
        inside = self._choice()
        self._depth -= 1
        if not self._take(")"):
            raise self._error("a group that isn't closed")
        return inside

    def _string(self) -> Expression:
        self._at += 1
        found = list[str]()
        while not self._source.startswith('"', self._at):
            found.append(self._character('"'))
        self._at += 1
        return "".join(found)

    def _set(self) -> Ranges:
        self._at += 1
        negated = self._source.startswith("^", self._at)
        self._at += negated
        ranges = list[tuple[int, int]]()
        while not self._source.startswith("]", self._at):
            low = high = ord(self._character("]-^["))
            if self._source.startswith("-", self._at) and not self._source.startswith("-]", self._at):
                self._at += 1
                high = ord(self._character("]-^["))
            if high < low:
                raise self._error("a range that is none")
            ranges.append((low, high))
        self._at += 1
        found = without(union(ranges)) if negated else intersect(union(ranges), ALL)
        if not found:
            raise self._error("a set of no character")
        return found

    def _character(self, escapable: str) -> str:
        if self._at >= len(self._source) or self._source[self._at] == "\n":
            raise self._error("a string or set that isn't closed")
        character = self._source[self._at]
        self._at += 1
        if character == "\\":
            escape = self._source[self._at : self._at + 1]
            self._at += 1
            if escape in _HEX:
                return self._checked(self._hex(_HEX[escape]))
            if not escape or escape not in 'nrt\\"' + escapable:
                raise self._error("an escape that is none")
            return _ESCAPES.get(escape, escape)
        return self._checked(character)

    def _checked(self, character: str) -> str:
        if not intersect(((ord(character), ord(character)),), ALL):
            raise self._error("NUL or a surrogate")
        return character

    def _hex(self, length: int) -> str:
        spelled = self._source[self._at : self._at + length]
        if not re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", spelled) or int(spelled, 16) > 0x10FFFF:
            raise self._error("an escape with too few hexadecimal digits, or of no character")
        self._at += length
        return chr(int(spelled, 16))

    def _skip(self) -> None:
        match = _SPACE.match(self._source, self._at)
        self._at = match.end() if match else self._at

    def _take(self, character: str) -> bool:
        self._skip()
        taken = self._source.startswith(character, self._at)
        self._at += taken
        return taken

    def _error(self, what: str) -> GrammarError:
        return GrammarError(f"can't be followed: {what}, at character {self._at}")
