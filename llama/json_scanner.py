"""Reading JSON as it is written: the rules of `strict_json`, a piece at a time, in constant work per character."""

from __future__ import annotations

import math
import re
from enum import Enum

from llama.strict_json import MAX_DEPTH

SPACE = re.compile(r"[ \t\n\r]*")
"""White space as JSON has it."""

_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ATOM = re.compile(r"[-+.0-9A-Za-z]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MAX_ATOM = 4300
"""Characters of a number: Python reads no longer integer (`sys.int_info.default_max_str_digits`)."""
_HEX = frozenset("0123456789abcdefABCDEF")


def past(run: re.Pattern[str], text: str, start: int, end: int) -> int:
    """Give the index after the run of characters that begins at `start`, possibly of none."""
    match = run.match(text, start, end)
    return match.end() if match else start


class Mismatch(ValueError):  # noqa: N818 - what is no JSON is text, not an error
    """A character that can't stand where it does.

    Attributes:
        offset: its index in the text that was given; the text's length where only the end came too soon.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(f"unexpected at {offset}")
        self.offset = offset


class _Next(Enum):
    VALUE = "a value"
    FIRST_ITEM = "a value or ]"
    FIRST_KEY = "a key or }"
    KEY = "a key"
    COLON = ":"
    SEPARATOR = "a comma or the end"


class JsonScanner:
    """Follows one JSON string, array or object that comes in pieces, and finds its end.

    Attributes:
        done: it is complete.
    """

    def __init__(self) -> None:
        self.done = False
        self._open: list[str] = []
        self._next = _Next.VALUE
        self._inside = False  # a string
        self._escape = ""
        self._high_surrogate = False
        self._atom = ""

    def read(self, text: str, start: int, end: int) -> int:
        """Read `text[start:end]` and give the index after the value, or `end` where it goes on.

        Raises:
            Mismatch: what was read so far begins no JSON value, or one deeper than `strict_json.MAX_DEPTH`.
        """
        index = start
        while index < end and not self.done:
            if self._inside:
                index = self._string(text, index, end)
            elif self._atom:
                index = self._go_on(text, index, end)
            else:
                index = past(SPACE, text, index, end)
                if index < end:
                    index = self._begin(text, index)
        return index

    def _begin(self, text: str, index: int) -> int:
        """Read the character that says what comes."""
        character, wanted = text[index], self._next
        if character == '"' and wanted not in (_Next.COLON, _Next.SEPARATOR):
            self._inside = True
        elif character in "[{" and wanted in (_Next.VALUE, _Next.FIRST_ITEM) and len(self._open) < MAX_DEPTH:
            self._open.append(character)
            self._next = _Next.FIRST_ITEM if character == "[" else _Next.FIRST_KEY
        elif character == ":" and wanted is _Next.COLON:
            self._next = _Next.VALUE
        elif character == "," and wanted is _Next.SEPARATOR:
            self._next = _Next.VALUE if self._open[-1] == "[" else _Next.KEY
        elif (character == "]" and self._may_close("[", _Next.FIRST_ITEM)) or (
            character == "}" and self._may_close("{", _Next.FIRST_KEY)
        ):
            self._open.pop()
            self._end_value()
        elif wanted in (_Next.VALUE, _Next.FIRST_ITEM) and _ATOM.fullmatch(character):
            self._atom = character
        else:
            raise Mismatch(index)
        return index + 1

    def _may_close(self, opened: str, empty: _Next) -> bool:
        return self._next is empty or (self._next is _Next.SEPARATOR and self._open[-1] == opened)

    def _end_value(self) -> None:
        self._next = _Next.SEPARATOR
        self.done = not self._open

    def _go_on(self, text: str, index: int, end: int) -> int:
        """Read on in a number or a word."""
        stop = past(_ATOM, text, index, min(end, index + _MAX_ATOM))
        self._atom += text[index:stop]
        if len(self._atom) > _MAX_ATOM:
            raise Mismatch(stop + _MAX_ATOM - len(self._atom))
        if stop < end:
            if not _is_atom(self._atom):
                raise Mismatch(stop)
            self._atom = ""
            self._end_value()
        return stop

    def _string(self, text: str, index: int, end: int) -> int:
        if self._escape:
            return self._escaped(text, index)
        stop = past(_PLAIN, text, index, end)
        if self._high_surrogate and (stop > index or text[index] != "\\"):
            raise Mismatch(index)
        if stop == end:
            return stop
        if text[stop] == "\\":
            self._escape = "\\"
        elif text[stop] == '"':
            self._inside = False
            if self._next in (_Next.FIRST_KEY, _Next.KEY):
                self._next = _Next.COLON
            else:
                self._end_value()
        else:
            raise Mismatch(stop)
        return stop + 1

    def _escaped(self, text: str, index: int) -> int:
        """Read one character of an escape."""
        character = text[index]
        self._escape += character
        if len(self._escape) == 2:
            if self._high_surrogate and character != "u":
                raise Mismatch(index)
            if character in '"\\/bfnrt':
                self._escape = ""
            elif character != "u":
                raise Mismatch(index)
        elif character not in _HEX:
            raise Mismatch(index)
        elif len(self._escape) == 6:
            code = int(self._escape[2:], 16)
            if self._high_surrogate != (0xDC00 <= code <= 0xDFFF):
                raise Mismatch(index)
            self._high_surrogate = 0xD800 <= code <= 0xDBFF
            self._escape = ""
        return index + 1


def _is_atom(atom: str) -> bool:
    if atom in ("true", "false", "null"):
        return True
    number = _NUMBER.fullmatch(atom)
    return number is not None and (number.group(2, 3) == (None, None) or math.isfinite(float(atom)))
