"""What an answer turns out to be: parts of text and parts of calls, of which all count or none."""

from __future__ import annotations

import json
from dataclasses import dataclass

_MAX_TEXT = 2**16
"""Characters of one part, where much text follows calls that were none."""


@dataclass(frozen=True, slots=True)
class Text:
    """A part of an answer's text.

    Attributes:
        text: the part.
        end: how many characters of the answer were read for it and all before it.
    """

    text: str
    end: int


@dataclass(frozen=True, slots=True)
class Call:
    """A part of a call.

    Attributes:
        number: counts the answer's calls, from 0.
        name: on the call's first part only.
        arguments: a piece of the arguments' JSON text.
        end: as in `Text`.
    """

    number: int
    name: str | None
    arguments: str
    end: int


class Parts:
    """Collects parts until they are taken.

    Attributes:
        calls: how many calls were begun and not called off.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._parts: list[Text | Call] = []
        self._told = 0
        self._arguments: list[str] = []
        self._raw: list[str] = []
        self._after: list[str] = []

    def take(self) -> list[Text | Call]:
        """Give what came since the last time."""
        parts, self._parts = self._parts, []
        return parts

    def tell(self, end: int) -> None:
        """Note that all text up to an offset is known, so that it is not given again."""
        self._told = end

    def keep(self, raw: str) -> None:
        """Keep what a call, or what may be the first one, was read from."""
        self._raw.append(raw)

    def forget(self) -> None:
        """Drop what was kept: it was no call."""
        self._raw = []

    def say(self, text: str, end: int) -> None:
        """Add text that was read as it is, the last up to offset `end`. After a call it waits for the answer's end."""
        if self.calls:
            self._after.append(text)
            return
        text = text[max(0, self._told - end + len(text)) :]
        if text:
            self._parts.append(Text(text, end))

    def begin(self, name: str, end: int) -> None:
        """Begin a call."""
        self._parts.append(Call(self.calls, name, "", end))
        self._arguments = []
        self.calls += 1

    def argue(self, arguments: str, end: int) -> None:
        """Add JSON text to the last call's arguments."""
        self._parts.append(Call(self.calls - 1, None, arguments, end))
        self._arguments.append(arguments)

    def arguments(self) -> str:
        """Give the last call's arguments so far."""
        return "".join(self._arguments)

    def call_off(self, rest: str, end: int) -> None:
        """The calls are none: what was kept and the rest are text, exactly as they were written."""
        text = "".join([*self._raw, rest])
        self._parts += [Text(text[start : start + _MAX_TEXT], end) for start in range(0, len(text), _MAX_TEXT)]
        self._raw, self._after, self.calls = [], [], 0

    def confirm(self, end: int) -> None:
        """The calls count: give the text that stood between and after them, if there is any."""
        after = "".join(self._after)
        if after.strip():
            self._parts.append(Text(after, end))


def escaped(text: str) -> str:
    """Write text as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
