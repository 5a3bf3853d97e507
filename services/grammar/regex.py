"""Reading regular expressions: the part of the syntax of Python's `re` and of ECMAScript that means the same in both.

`\\d`, `\\w` and `\\s` are ASCII, `\\D` and `\\W` the other ASCII characters, and `\\S` is all but whitespace: so what
is written matches by either reading. Nothing matches NUL.
"""

from __future__ import annotations

import re
from string import ascii_letters, digits

from services.grammar import characters
from services.grammar.characters import ALL, Ranges, intersect, union, without
from services.grammar.expression import MAX_DEPTH, Chain, Choice, Expression, Repeat
from services.grammar.rule import GrammarError

MAX_LENGTH = 4096
_MAX_COUNT = 1000

_ASCII: Ranges = ((1, 0x7F),)
_DIGITS = characters.of(digits)
_WORD = characters.of(ascii_letters + digits + "_")
_SPACE = characters.of(" \t\n\r\f\v")
_ANY_SPACE = union([*_SPACE, *characters.of("\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"),
                    (0x2000, 0x200A)])  # fmt: skip
_ANY = without(characters.of("\n\r\u2028\u2029"))
_CLASSES = {
    "d": _DIGITS,
    "D": intersect(_ASCII, without(_DIGITS)),
    "w": _WORD,
    "W": intersect(_ASCII, without(_WORD)),
    "s": _SPACE,
    "S": without(_ANY_SPACE),
}
_WIDE = {"d": _DIGITS, "w": _WORD, "s": _ANY_SPACE}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_HEX = {"x": 2, "u": 4, "U": 8}
_COUNT = re.compile(r"\{([0-9]{1,5})(?:(,)([0-9]{1,5})?)?\}")
_GROUP = re.compile(r"\?(?::|P?<[A-Za-z_][A-Za-z0-9_]*>)")


def read(pattern: str, *, search: bool = False) -> Expression:
    """Read a regular expression.

    Args:
        search: whether a match may stand anywhere in the text, as in a JSON schema, unless the pattern is anchored.

    Raises:
        GrammarError: it can't be read, or has what no automaton can do.
    """
    if len(pattern) > MAX_LENGTH:
        raise GrammarError(f"is longer than {MAX_LENGTH} characters")
    return _Reader(pattern, search).whole()


class _Reader:
    def __init__(self, pattern: str, search: bool) -> None:
        self._pattern, self._at, self._depth = pattern, 0, 0
        self._around: Expression = Repeat(ALL, 0, None) if search else Chain(())

    def whole(self) -> Expression:
        """Read to the end. `^` and `$` may stand around each of the outermost branches."""
        branches = list[Expression]()
        while not branches or self._take("|"):
            before = Chain(()) if self._take("^") else self._around
            inside = self._chain()
            after = Chain(()) if self._take("$") else self._around
            branches.append(Chain((before, inside, after)))
        if self._at < len(self._pattern):
            closing = self._pattern[self._at] == ")"
            raise self._error("an unmatched )" if closing else "$ and ^ can only stand around a whole branch")
        return Choice(tuple(branches))

    def _choice(self) -> Expression:
        branches = [self._chain()]
        while self._take("|"):
            branches.append(self._chain())
        return Choice(tuple(branches))

    def _chain(self) -> Expression:
        parts = list[Expression]()
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)$":
            parts.append(self._repeated())
        return Chain(tuple(parts))

    def _repeated(self) -> Expression:
        part = self._atom()
        counts = self._counts()
        if counts is None:
            return part
        self._take("?")  # lazy: the same texts match
        if self._at < len(self._pattern) and self._pattern[self._at] in "*+?{":
            raise self._error("a repetition of a repetition, or a possessive one")
        return Repeat(part, *counts)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in {"*": (0, None), "+": (1, None), "?": (0, 1)}.items():
            if self._take(sign):
                return counts
        if not self._pattern.startswith("{", self._at):
            return None
        match = _COUNT.match(self._pattern, self._at)
        if match is None:
            raise self._error("a { that is no count: write {2}, {2,} or {2,5}, or \\{ for the character")
        self._at = match.end()
        least = int(match[1])
        most = least if not match[2] else int(match[3]) if match[3] else None
        if max(least, most or 0) > _MAX_COUNT or (most is not None and most < least):
            raise self._error(f"a count that is not in order, or above {_MAX_COUNT}")
        return least, most

    def _atom(self) -> Expression:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return self._set()
        if character == ".":
            return _ANY
        if character == "\\":
            return self._escape(inside=False)
        if character in "*+?{":
            raise self._error("a repetition of nothing")
        if character == "^":
            raise self._error("$ and ^ can only stand around a whole branch")
        return self._literal(character)

    def _group(self) -> Expression:
        if self._pattern.startswith("?", self._at):
            match = _GROUP.match(self._pattern, self._at)
            if match is None:
                raise self._error("a group other than ( ), (?: ) and (?<name> ): no lookaround, flags or references")
            self._at = match.end()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"groups more than {MAX_DEPTH} deep")
        inside = self._choice()
        self._depth -= 1
        if self._pattern.startswith("$", self._at):
            raise self._error("$ and ^ can only stand around a whole branch")
        if not self._take(")"):
            raise self._error("a group that isn't closed")
        return inside

    def _set(self) -> Ranges:
        negated, ranges, classes = self._take("^"), list[tuple[int, int]](), set[str]()
        if self._pattern.startswith("]", self._at):
            raise self._error("an empty set, or ] as its first character: write \\]")
        while not self._take("]"):
            low = self._member(classes, ranges)
            if low is None:
                continue
            high: int | None = low
            if self._pattern.startswith("-", self._at) and not self._pattern.startswith("-]", self._at):
                self._at += 1
                high = self._member(set(), [])
            if high is None or high < low:
                raise self._error("a range that is none")
            ranges.append((low, high))
        if not negated:
            found = union([*ranges, *(pair for name in classes for pair in _CLASSES[name])])
        elif any(name.isupper() for name in classes):
            raise self._error("\\D, \\W or \\S in a negated set")
        else:
            found = without(union([*ranges, *(pair for name in classes for pair in _WIDE[name])]))
            found = intersect(found, _ASCII) if classes & {"d", "w"} else found
        found = intersect(found, ALL)
        if not found:
            raise self._error("a set of no character")
        return found

    def _member(self, classes: set[str], ranges: list[tuple[int, int]]) -> int | None:
        """Read a character of a set and give its code; a class goes to `classes`, and None is given."""
        character = self._next()
        if character != "\\":
            return ord(character)
        if self._pattern[self._at : self._at + 1] in _CLASSES:
            classes.add(self._next())
            if self._pattern.startswith("-", self._at) and not self._pattern.startswith("-]", self._at):
                raise self._error("a range that is none")
            return None
        return self._escape(inside=True)[0][0]

    def _escape(self, *, inside: bool) -> Ranges:
        character = self._next()
        if not inside and character in _CLASSES:
            return _CLASSES[character]
        if character in _CONTROLS:
            return self._literal(_CONTROLS[character])
        if character in _HEX:
            return self._hex(_HEX[character])
        if character.isascii() and character.isalnum():
            raise self._error(
                "an escape that is none of \\d \\w \\s \\n \\r \\t \\f \\v \\x \\u: no \\b, \\p or references"
            )
        return self._literal(character)

    def _hex(self, length: int) -> Ranges:
        spelled = self._pattern[self._at : self._at + length]
        if not re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", spelled) or int(spelled, 16) > 0x10FFFF:
            raise self._error("an escape with too few hexadecimal digits, or of no character")
        self._at += length
        return self._literal(chr(int(spelled, 16)))

    def _literal(self, character: str) -> Ranges:
        found = intersect(((ord(character), ord(character)),), ALL)
        if not found:
            raise self._error("NUL or a surrogate")
        return found

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise self._error("an end too early")
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, character: str) -> bool:
        taken = self._pattern.startswith(character, self._at)
        self._at += taken
        return taken

    def _error(self, what: str) -> GrammarError:
        return GrammarError(f"can't be followed: {what}, at character {self._at}")
