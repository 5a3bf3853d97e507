"""What a command reads and writes. Only text leaves here: on a terminal nothing a server sends can act as a command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

_C0 = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
_CONTROL = {**_C0, 0x7F: "\u2421", **dict.fromkeys(range(0x80, 0xA0), "\ufffd")}


class UsageError(Exception):
    """The command was called wrongly; `str()` is one sentence that names what and the remedy."""


def visible(text: str) -> str:
    """Replace control characters other than newline and tab by signs for them, so that no terminal obeys them."""
    return text.translate(_CONTROL)


def one_line(text: str) -> str:
    """Return text that keeps to its line and acts on no terminal."""
    return visible(" ".join(text.split()))


def quoted(piece: bytes) -> str:
    """Write bytes on one line, between quotation marks: text as text, everything else as escapes."""
    return f'"{"".join(map(_escaped, piece.decode("utf-8", "surrogateescape")))}"'


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no text
        return f"\\x{ord(character) - 0xDC00:02x}"
    plain = character.isprintable() and character not in '\\"'
    return character if plain else f"\\{character}" if character in '\\"' else repr(character)[1:-1]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


@dataclass
class Console:
    """Standard input, output and error of a command."""

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    _last: str = field(default="\n", init=False)

    @property
    def interactive(self) -> bool:
        """Whether someone types."""
        return self.stdin.isatty()

    def write(self, text: str) -> None:
        """Write to standard output, at once. In a pipe the text stays as it is."""
        if text:
            self._last = text[-1]  # first: Ctrl-C may come in between
            self.stdout.write(visible(text) if self.stdout.isatty() else text)
            self.stdout.flush()

    def fresh_line(self) -> None:
        """End the line that standard output is in, if it is in one."""
        if self._last != "\n":
            self.write("\n")

    def note(self, text: str) -> None:
        """Write a line to standard error: what is not part of the answer."""
        self.stderr.write(f"{one_line(text)}\n")
        self.stderr.flush()

    def ask(self, prompt: str) -> str | None:
        """Read a line; None at the end of the input. The prompt is shown only to someone who types."""
        prompt = visible(prompt)
        try:
            if self.interactive and self.stdout.isatty():
                self._last = "\n"
                return checked(input(prompt), "the line")
            if self.interactive:
                self.stderr.write(prompt)
                self.stderr.flush()
            line = self.stdin.readline()
        except EOFError:
            return None
        except UnicodeDecodeError:
            raise UsageError("standard input is not UTF-8 text") from None
        return checked(line.rstrip("\r\n"), "standard input") if line else None

    def read(self) -> str:
        """Read all of standard input."""
        try:
            return checked(self.stdin.read(), "standard input")
        except UnicodeDecodeError:
            raise UsageError("standard input is not UTF-8 text") from None


def checked(text: str, source: str) -> str:
    """Return text that can be sent; refuse what stands for bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{source} is not UTF-8 text") from None
    return text
