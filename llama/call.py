"""Reading tool calls back from what a model writes, while it writes.

Llama 3.1 writes a call in one of these forms (Llama 3.1 model card; `ToolUtils` of Meta's `llama-models` 0.3.0):

- an answer that is nothing but JSON, `{"name": ..., "parameters": {...}}`, perhaps with `"type": "function"`; several
  such objects, with white space or `;` between them, are several calls;
- `<function=NAME>{...}</function>`, anywhere in a text;
- after the control token `<|python_tag|>`: `brave_search.call(query="...")` and `wolfram_alpha.call(query="...")`,
  either form above, and otherwise Python, which is a call of `code_interpreter`. The `hf` layout shows the model its
  own earlier Python as `code_interpreter.call(code="...")`, unescaped, so that is read back too.

Whatever else it writes is text, and so is a call of something that the request doesn't offer, or of a built-in tool
with anything but its one argument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection

from llama.call_object import CallObject
from llama.call_part import Call, Parts, Text, escaped
from llama.chat import BuiltinTool
from llama.json_scanner import SPACE, JsonScanner, Mismatch, past

MAX_HELD = 16_384
"""Characters that may turn out to be a call or not. What is undecided for longer is text."""

_OPEN = "<function="
_CLOSE = "</function>"
_END_QUOTE = '")'
_NAME = re.compile(r"[A-Za-z0-9_-]*")
_BETWEEN = re.compile(r"[ \t\n\r;]*")

_State = Callable[[str, int, int], int]
_Otherwise = Callable[[str, int], None]


class CallReader:
    """Reads one answer, a piece at a time, as text and calls: the same whatever the pieces, and in linear time.

    All of an answer's calls count, or none does: when one that has begun turns out to be none, or the answer breaks
    off, everything from the first call on is given as text, exactly as it was written.

    Each state is a method that reads some of `text[index:end]` and gives the index that it came to. Where it raises
    `Mismatch`, what is held is no call; where nothing is held, the calls that were begun are none.
    """

    def __init__(self, tools: Collection[str]) -> None:
        """Take the names of the tools that may be called; Llama 3.1's own are members of `BuiltinTool`."""
        self._tools = frozenset(tools)
        self._builtins = [tool for tool in tools if isinstance(tool, BuiltinTool)]
        self._parts = Parts()
        self._offset = 0
        """Characters read before the text at hand."""
        self._state: _State = self._start
        self._holding = True
        self._hold: list[str] = []
        """What may turn out to be a call."""
        self._held = 0
        self._otherwise: _Otherwise | None = self._as_text
        """What is held if it is no call; None where the calls before it are none then."""
        self._tagged = False
        self._word = ""
        self._matched = 0
        self._quotes_code = False
        self._scanner = JsonScanner()
        self._object = CallObject()

    @property
    def calls(self) -> int:
        """How many calls were begun and not called off."""
        return self._parts.calls

    @property
    def decided(self) -> int:
        """How many characters of the answer are known to be text, or to be of calls."""
        return self._offset - (0 if self.calls else self._held)

    def read(self, text: str) -> list[Text | Call]:
        """Read on, and give what is now known."""
        index = 0
        while index < len(text):
            index = self._step(text, index)
        self._offset += len(text)
        return self._parts.take()

    def read_tag(self) -> list[Text | Call]:
        """Read the control token `<|python_tag|>`."""
        if self._state == self._between:
            return []
        if self._holding:
            self._give_up(self._offset)
        if self._state == self._text:
            self._enter(self._start, self._as_code if BuiltinTool.CODE_INTERPRETER in self._builtins else self._as_text)
            self._tagged = True
        elif self.calls:
            self._call_off("", self._offset)
        return self._parts.take()

    def told(self) -> None:
        """Note that all text so far is known to whom it is told, even where it is undecided by itself."""
        self._parts.tell(self._offset)

    def finish(self, ended: bool) -> tuple[list[Text | Call], bool]:
        """End the answer; `ended` says that the model did. Give the rest, and whether there are calls, and count."""
        if self._holding and self._state != self._end_quote:
            self._give_up(self._offset)
        quoted = self._state == self._end_quote and self._matched == len(_END_QUOTE)
        whole = quoted or self._state in (self._text, self._between, self._code)
        counts = ended and whole and self.calls > 0
        if counts:
            if quoted or self._state == self._code:
                self._parts.argue('"}', self._offset)
            self._parts.confirm(self._offset)
        elif self.calls:
            self._call_off("", self._offset)
        return self._parts.take(), counts

    def _step(self, text: str, index: int) -> int:
        """Let the state read, and keep the books of what is held."""
        holding = self._holding
        end = min(len(text), index + MAX_HELD - self._held) if holding else len(text)
        mismatch = False
        try:
            stop = self._state(text, index, end)
        except Mismatch as error:
            stop, mismatch = error.offset, True
        if holding or self.calls:
            self._parts.keep(text[index:stop])
        if holding:
            self._hold.append(text[index:stop])
            self._held += stop - index
        if mismatch and not self._holding:
            self._call_off(text[stop:], self._offset + len(text))
            return len(text)
        if mismatch or (self._holding and self._held == MAX_HELD):
            self._give_up(self._offset + stop)
        elif not self._holding:
            self._hold, self._held = [], 0
        return stop

    def _enter(self, state: _State, otherwise: _Otherwise | None) -> None:
        """Begin to hold."""
        self._state, self._otherwise, self._holding = state, otherwise, True
        self._matched, self._word = 0, ""

    def _leave(self, state: _State) -> None:
        """Hold nothing any more."""
        self._state, self._holding = state, False

    def _give_up(self, end: int) -> None:
        """What is held is no call."""
        held, self._hold, self._held = "".join(self._hold), [], 0
        otherwise = self._as_text if self._state == self._start else self._otherwise  # at the start, it is white space
        if otherwise is None:
            self._call_off("", end)
            return
        otherwise(held, end)
        if not self.calls:
            self._parts.forget()

    def _call_off(self, rest: str, end: int) -> None:
        self._hold, self._held = [], 0
        self._parts.call_off(rest, end)
        self._leave(self._void)

    def _as_text(self, held: str, end: int) -> None:
        self._tagged = False
        self._parts.say(held, end)
        self._leave(self._text)

    def _as_code(self, held: str, end: int) -> None:
        self._parts.begin(BuiltinTool.CODE_INTERPRETER.value, end)
        self._parts.argue('{"code": "' + escaped(held), end)
        self._leave(self._code)

    def _as_quoted(self, held: str, end: int) -> None:
        self._parts.argue(escaped(held), end)
        self._leave(self._quoted)

    def _start(self, text: str, index: int, end: int) -> int:
        """Read the white space that an answer, or what follows the tag, begins with."""
        index = past(SPACE, text, index, end)
        if index == end:
            return end
        if text[index] == "{":
            self._object = CallObject()
            self._state = self._json
        elif self._tagged:
            self._state = self._open if text[index] == "<" else self._builtin
        else:
            self._state = self._open
        return index

    def _text(self, text: str, index: int, end: int) -> int:
        stop = _find(_OPEN, text, index, end)
        if stop < end:
            self._enter(self._open, self._as_text)
        self._parts.say(text[index:stop], self._offset + stop)
        return stop

    def _void(self, text: str, index: int, end: int) -> int:
        """Read what follows calls that were none: text."""
        self._parts.say(text[index:end], self._offset + end)
        return end

    def _open(self, text: str, index: int, end: int) -> int:
        """Read `<function=`."""
        index = self._match(_OPEN, text, index, end)
        if self._matched == len(_OPEN):
            self._state = self._name
        return index

    def _name(self, text: str, index: int, end: int) -> int:
        """Read `NAME>`."""
        stop = past(_NAME, text, index, end)
        self._word += text[index:stop]
        if stop == end:
            return end
        if text[stop] != ">" or self._word not in self._tools:
            raise Mismatch(stop)
        self._state = self._before_arguments
        return stop + 1

    def _before_arguments(self, text: str, index: int, end: int) -> int:
        index = past(SPACE, text, index, end)
        if index < end:
            if text[index] != "{":
                raise Mismatch(index)
            self._parts.begin(self._word, self._offset + index)
            self._scanner = JsonScanner()
            self._leave(self._arguments)
        return index

    def _arguments(self, text: str, index: int, end: int) -> int:
        stop = self._scanner.read(text, index, end)
        self._parts.argue(text[index:stop], self._offset + stop)
        if self._scanner.done:
            self._check_builtin(self._word, stop)
            self._enter(self._close, self._as_text)
        return stop

    def _close(self, text: str, index: int, end: int) -> int:
        """Read `</function>`, which the model may leave out."""
        if not self._matched:
            index = past(SPACE, text, index, end)
        index = self._match(_CLOSE, text, index, end)
        if self._matched == len(_CLOSE):
            self._leave(self._text)
        return index

    def _json(self, text: str, index: int, end: int) -> int:
        """Read an object that is a call. The first one is held until it is known to be one."""
        call, begun = self._object, self._object.begun
        stop = call.read(text, index, end)
        if call.name is not None and call.name not in self._tools:
            raise Mismatch(stop)
        if call.begun:
            if not begun:
                self._parts.begin(str(call.name), self._offset + stop)
                self._leave(self._json)
            self._parts.argue(call.take_arguments(), self._offset + stop)
        if call.done:
            self._check_builtin(str(call.name), stop)
            self._leave(self._between)
        return stop

    def _check_builtin(self, name: str, stop: int) -> None:
        """Check the arguments of a tool of Llama 3.1's own: there is one, a string."""
        for tool in self._builtins:
            if tool.value == name:
                arguments = json.loads(self._parts.arguments())
                if arguments.keys() != {tool.parameter} or not isinstance(arguments[tool.parameter], str):
                    raise Mismatch(stop)

    def _between(self, text: str, index: int, end: int) -> int:
        """Read up to the next object. Beside the objects there is nothing."""
        index = past(_BETWEEN, text, index, end)
        if index < end:
            if text[index] != "{":
                raise Mismatch(index)
            self._object = CallObject()
            self._state = self._json
        return index

    def _builtin(self, text: str, index: int, end: int) -> int:
        """Read `NAME.call(ARGUMENT="` of a tool of Llama 3.1's own."""
        notations = {f'{tool.value}.call({tool.parameter}="': tool for tool in self._builtins}
        for stop in range(index, end):
            word = self._word + text[stop]
            if not any(notation.startswith(word) for notation in notations):
                raise Mismatch(stop)
            self._word = word
            if word in notations:
                tool = notations[word]
                self._parts.begin(tool.value, self._offset + stop + 1)
                self._parts.argue(f'{{"{tool.parameter}": "', self._offset + stop + 1)
                self._quotes_code = tool is BuiltinTool.CODE_INTERPRETER
                self._leave(self._quoted)
                return stop + 1
        return end

    def _quoted(self, text: str, index: int, end: int) -> int:
        """Read a quoted argument: a query ends at its first quote, code at the last."""
        stop = _find(_END_QUOTE if self._quotes_code else '"', text, index, end)
        if stop < end:
            self._enter(self._end_quote, self._as_quoted if self._quotes_code else None)
        self._parts.argue(escaped(text[index:stop]), self._offset + stop)
        return stop

    def _end_quote(self, text: str, index: int, end: int) -> int:
        """Read `")`, after which there is nothing."""
        index = self._match(_END_QUOTE, text, index, end)
        if self._matched == len(_END_QUOTE):
            index = past(SPACE, text, index, end)
            if index < end:
                raise Mismatch(index)
        return index

    def _code(self, text: str, index: int, end: int) -> int:
        self._parts.argue(escaped(text[index:end]), self._offset + end)
        return end

    def _match(self, word: str, text: str, index: int, end: int) -> int:
        while index < end and self._matched < len(word):
            if text[index] != word[self._matched]:
                raise Mismatch(index)
            self._matched += 1
            index += 1
        return index


def _find(word: str, text: str, start: int, end: int) -> int:
    """Give the index where a word stands, or may begin at the very end; else `end`."""
    found = text.find(word, start, end)
    if found >= 0:
        return found
    sizes = range(min(len(word) - 1, end - start), 0, -1)
    return next((end - size for size in sizes if text.startswith(word[:size], end - size, end)), end)
