"""What reaches a terminal."""

from __future__ import annotations

import io

import pytest

from services.commands.console import Console, UsageError, one_line, quoted, table, visible


class Terminal(io.StringIO):
    def isatty(self):
        return True


def console(stdin="", stdout=None, stderr=None):
    return Console(io.StringIO(stdin), stdout or io.StringIO(), stderr or io.StringIO())


ATTACK = "a\x1b]0;owned\x07\x9b31m\r\x7f\tb\n"


def test_a_terminal_gets_no_control_characters():
    terminal = Terminal()
    console(stdout=terminal).write(ATTACK)
    assert terminal.getvalue() == "a␛]0;owned␇\ufffd31m␍␡\tb\n"


def test_a_pipe_gets_the_text_as_it_is():
    pipe = io.StringIO()
    console(stdout=pipe).write(ATTACK)
    assert pipe.getvalue() == ATTACK


def test_text_of_all_languages_stays():
    text = "Grüße, ça va? ¿Qué? नमस्ते สวัสดี 👩‍💻"
    assert visible(text) == text


def test_a_note_keeps_to_its_line():
    err = io.StringIO()
    console(stderr=err).note("two\nlines \x1b[2J")
    assert err.getvalue() == "two lines ␛[2J\n"


def test_a_line_is_ended_once():
    out = io.StringIO()
    shown = console(stdout=out)
    for text in ("", "a", "", "b\n", ""):
        shown.fresh_line()
        shown.write(text)
    shown.fresh_line()
    assert out.getvalue() == "a\nb\n"


@pytest.mark.parametrize(
    ("piece", "written"),
    [
        (b" caf\xc3\xa9", '" café"'),
        (b"\xe2\x82", '"\\xe2\\x82"'),
        (b'a"b\\', '"a\\"b\\\\"'),
        (b"\n\t\x1b", '"\\n\\t\\x1b"'),
        ("\u202e\u200b".encode(), '"\\u202e\\u200b"'),
        (b"", '""'),
    ],
)
def test_pieces_are_written_between_quotation_marks(piece, written):
    assert quoted(piece) == written


def test_columns_line_up():
    assert table([("A", "LONG", "C"), ("aa", "b", "")]) == "A   LONG  C\naa  b\n"


def test_one_line_is_one():
    assert one_line(" a\n\tb ") == "a b"


def test_lines_are_read_until_the_end():
    asked = console("one\r\n\ntwo")
    assert [asked.ask("> ") for _ in range(4)] == ["one", "", "two", None]


def test_someone_who_types_into_a_pipe_is_prompted_beside_it():
    err, out = io.StringIO(), io.StringIO()
    assert Console(Terminal("hi\n"), out, err).ask("\x1b> ") == "hi"
    assert (out.getvalue(), err.getvalue()) == ("", "␛> ")


@pytest.mark.parametrize("read", [Console.read, lambda console: console.ask("")])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_input_that_is_no_text_is_refused(read, errors):
    stdin = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8", errors=errors)
    with pytest.raises(UsageError, match="standard input is not UTF-8 text"):
        read(Console(stdin, io.StringIO(), io.StringIO()))
