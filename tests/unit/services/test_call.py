"""services.call: each token comes with what was read of it, and a resumed output goes on exactly where it was."""

from __future__ import annotations

import itertools
import json

from hypothesis import example, given
from hypothesis import strategies as st

from backends.types import TokenLogprob
from llama.chat import BuiltinTool
from services.call import CallPiece, CallStream
from services.text import Piece, TextStream

TOOLS = ("f", BuiltinTool.BRAVE_SEARCH, BuiltinTool.CODE_INTERPRETER)
TAG, END = "<|python_tag|>", "<|eom_id|>"
CONTROL = (TAG.encode(), END.encode())


class Pieces:
    """A tokenizer as far as text is concerned: two control tokens, and other ids are places in a list of pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [TAG.encode(), END.encode(), *pieces]
        self.ids = [CONTROL.index(piece) if piece in CONTROL else 2 + index for index, piece in enumerate(pieces)]

    def piece(self, token_id: int) -> bytes:
        return self._pieces[token_id]

    def is_control(self, token_id: int) -> bool:
        return token_id < 2

    def text(self, ids) -> str:
        return b"".join(self.piece(i) for i in ids if not self.is_control(i)).decode(errors="replace")


class Output:
    """What a client makes of an output."""

    def __init__(self) -> None:
        self.text = ""
        self.ids: list[int] = []
        self.calls: dict[int, tuple[str, str]] = {}

    def take(self, pieces) -> Output:
        for piece in pieces:
            self.ids += piece.token_ids
            if isinstance(piece, Piece):
                self.text += piece.text
                continue
            if piece.name is not None:
                assert piece.number not in self.calls, "a call begins once"
                self.calls[piece.number] = (piece.name, "")
            name, arguments = self.calls[piece.number]
            self.calls[piece.number] = (name, arguments + piece.arguments)
        return self


def streams(tokenizer, stops=()) -> tuple[TextStream, CallStream]:
    return TextStream(tokenizer, stops, False), CallStream(TOOLS, CONTROL.index(TAG.encode()))


def end(output, text, calls, ended) -> bool:
    if not text.stopped():
        output.take(calls.push(text.finish()))
    pieces, counts = calls.finish(ended and not text.stopped())
    output.take(pieces)
    return counts


FRAGMENTS = (
    '<function=#f#>#</function>#<#{#}#"name"#"parameters"#:#,#"f"#;# #\n#"#é#\U0001f40e#1#brave_search#.call(query="#")'
    '#code_interpreter#.call(code="#{"name": "f", "parameters": {"a": "é"}}#<function=f>{"a": 1}</function>#Hi .'
    '#{"parameters": {"b": [1]}, "name": "f"}#<|python_tag|>#<|python_tag|>#<|eom_id|>'
).split("#")
SPLITS = st.lists(st.integers(0, 40), max_size=5)


@st.composite
def tokenized(draw) -> list[bytes]:
    """Bytes of an answer's tokens, which end anywhere, in the middle of characters too."""
    pieces: list[bytes] = []
    for control, group in itertools.groupby(
        draw(st.lists(st.sampled_from(FRAGMENTS), max_size=8)), (TAG, END).__contains__
    ):
        if control:
            pieces += (name.encode() for name in group)
            continue
        whole = "".join(group).encode()
        marks = sorted({0, len(whole), *(mark % (len(whole) + 1) for mark in draw(SPLITS))})
        pieces += (whole[a:b] for a, b in itertools.pairwise(marks))
    return pieces


@given(tokenized(), SPLITS, st.lists(st.sampled_from(["f>", "}", "é", "<"]), max_size=2), st.booleans())
@example([b".<", b"function=f>{}"], [], [], True)
@example([b"<func", b"<function=f>{}"], [], [], True)
@example([TAG.encode(), b"\xc3", b"\xa9"], [], [], True)
@example([b'{"name": "f"}', b"!"], [1], [], True)
@example([b"<function=f>{}", b" and more", b"<function=f>{", b"]"], [1, 2, 3], [], True)
def test_an_output_resumed_with_the_tokens_told_is_the_same_output(pieces, marks, stops, ended):
    tokenizer = Pieces(pieces)
    ids = tokenizer.ids
    at = sorted({mark % (len(ids) + 1) for mark in marks})
    text, calls = streams(tokenizer, stops)
    whole = Output()
    cuts = [(Output(), 0)]
    for start, stop in itertools.pairwise([0, *at, len(ids)]):
        whole.take(calls.push(text.push(ids[start:stop])))
        if text.stopped():
            break
        held = Output()
        held.text, held.ids, held.calls = whole.text, list(whole.ids), dict(whole.calls)
        cuts.append((held, len(whole.ids)))
    counts = end(whole, text, calls, ended)

    assert whole.ids == ids[: len(whole.ids)]
    if not text.stopped():
        assert whole.ids == ids
    if not counts:
        assert whole.text == tokenizer.text(ids)[: len(whole.text)]
        assert text.stopped() or whole.text == tokenizer.text(ids)
    for _, arguments in whole.calls.values() if counts else ():
        assert isinstance(json.loads(arguments), dict)

    for output, told in cuts:
        text, calls = streams(tokenizer, stops)
        calls.skip(text.skip(ids[:told]))
        if not text.stopped():
            output.take(calls.push(text.push(ids[told:])))
        assert end(output, text, calls, ended) == counts
        assert (output.text, output.ids) == (whole.text, whole.ids)
        assert list(output.calls) == list(whole.calls)
        if counts:
            assert output.calls == whole.calls


def told(*tokens: str) -> list[list[Piece | CallPiece]]:
    """What is told after each token, and at the end."""
    tokenizer = Pieces([token.encode() for token in tokens])
    text, calls = streams(tokenizer)
    after = [calls.push(text.push([i], [TokenLogprob(-1.0 * i, 1)])) for i in tokenizer.ids]
    after[-1] += calls.push(text.finish())
    return [*after, calls.finish(ended=True)[0]]


def test_tokens_come_with_what_they_complete():
    after = told('{"name": ', '"f", "parameters"', ": {", '"a":', " 1}", "}")
    assert [[(piece.name, piece.arguments, piece.token_ids) for piece in pieces] for pieces in after] == [
        [],
        [],
        [("f", "{", [2, 3, 4])],
        [(None, '"a":', [5])],
        [(None, " 1}", [6])],
        [(None, "", [7])],
        [],
    ]
    assert [logprob.logprob for logprob in after[2][0].logprobs] == [-2.0, -3.0, -4.0]


def test_text_in_the_token_that_begins_a_call_waits_for_it():
    assert told("Hi", ".<", "function=f>", "{}") == [
        [Piece("Hi", [2], [TokenLogprob(-2.0, 1)])],
        [],
        [],
        [
            Piece(".", [], []),
            CallPiece(0, "f", "{}", [3, 4, 5], [TokenLogprob(-1.0 * i, 1) for i in (3, 4, 5)]),
        ],
        [],
    ]


def test_calls_that_are_none_leave_their_text_and_no_token_twice():
    after = told('{"name": "f", "parameters": {', '"a"', "]", "x")
    assert [piece.text for piece in after[2]] == ['{"name": "f", "parameters": {"a"]']
    assert [piece.token_ids for pieces in after for piece in pieces] == [[2], [3], [4], [5]]


def test_only_the_token_is_a_tag():
    tokenizer = Pieces([b"<|python_tag|", b">print(1)"])
    text, calls = streams(tokenizer)
    output = Output().take(calls.push(text.push(tokenizer.ids)))
    assert not end(output, text, calls, True)
    assert output.text == "<|python_tag|>print(1)"
