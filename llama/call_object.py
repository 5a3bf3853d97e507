"""A call as a JSON object, read as it is written."""

from __future__ import annotations

import json

from llama.json_scanner import SPACE, JsonScanner, Mismatch, past

_ARGUMENTS = "parameters"
_KEYS = ("type", "name", _ARGUMENTS)
_SYNONYMS = {"arguments": _ARGUMENTS}
"""Not Llama's own word, but that of most other models, and of some made from Llama."""


class CallObject:
    """Reads `{"name": ..., "parameters": {...}}`, its keys in any order, perhaps with `"type": "function"`.

    Attributes:
        name: what is called, once it is known.
        done: the object is complete.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.done = False
        self._has_arguments = False
        self._arguments: list[str] = []
        self._keys: set[str] = set()
        self._key: str | None = None
        self._string: list[str] = []
        self._expected = "{"
        """The marks that may come."""
        self._scanner: JsonScanner | None = None

    @property
    def begun(self) -> bool:
        """Whether the name is known, and the arguments have begun."""
        return self.name is not None and (self.done or self._has_arguments)

    def take_arguments(self) -> str:
        """Give what is new of the arguments' JSON text. Without any, they are `{}`."""
        if not self._has_arguments:
            return "{}"
        taken, self._arguments = "".join(self._arguments), []
        return taken

    def read(self, text: str, start: int, end: int) -> int:
        """Read the next mark or as much of a value as there is, and give the index after it.

        Raises:
            Mismatch: it is no such object.
        """
        if self._scanner is not None:
            return self._go_on(self._scanner, text, start, end)
        index = past(SPACE, text, start, end)
        if index == end:
            return end
        mark = text[index]
        if mark not in self._expected or (mark == "}" and self.name is None):
            raise Mismatch(index)
        if mark == '"' or (mark == "{" and self._key is not None):
            self._scanner = JsonScanner()
            self._has_arguments |= mark == "{"
            return self._go_on(self._scanner, text, index, index + 1)
        self.done = mark == "}"
        if mark == "{":
            self._expected = '"'
        elif mark == ":":
            self._expected = "{" if self._key == _ARGUMENTS else '"'
        elif mark == ",":
            self._expected = '"'
        return index + 1

    def _go_on(self, scanner: JsonScanner, text: str, start: int, end: int) -> int:
        """Read on in a key or a value."""
        stop = scanner.read(text, start, end)
        (self._arguments if self._key == _ARGUMENTS else self._string).append(text[start:stop])
        if scanner.done:
            self._scanner = None
            self._string, string = [], "".join(self._string)
            if self._key is None:
                self._end_key(json.loads(string), stop)
            else:
                self._end_value(string, stop)
        return stop

    def _end_key(self, key: str, stop: int) -> None:
        self._key = _SYNONYMS.get(key, key)
        if self._key not in _KEYS or self._key in self._keys:
            raise Mismatch(stop)
        self._expected = ":"

    def _end_value(self, string: str, stop: int) -> None:
        if self._key == "name":
            self.name = json.loads(string)
        elif self._key == "type" and json.loads(string) != "function":
            raise Mismatch(stop)
        self._keys.add(str(self._key))
        self._key = None
        self._expected = ",}"
