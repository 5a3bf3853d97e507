"""One output's text and tokens as text and tool calls: each part with the tokens that were read as it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, repeat

from backends.types import TokenLogprob
from llama.call import CallReader
from llama.call_part import Call, Text
from services.text import Piece

MOST_TOKENS = 1024
"""Of one piece: with 20 candidates each they are about 300 kB."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A part of a tool call.

    Attributes:
        number: counts the output's calls, from 0.
        name: on the call's first part only.
        arguments: a piece of the arguments' JSON text.
        token_ids: read as this part, with their logprobs when asked for.
    """

    number: int
    name: str | None
    arguments: str
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)


class CallStream:
    """Reads one output's pieces. What may turn out to be a call or not is held, tokens and all."""

    def __init__(self, tools: Collection[str], python_tag: int | None) -> None:
        """Take the names of the tools that may be called, and the id of `<|python_tag|>` where there is one."""
        self._reader = CallReader(tools)
        self._python_tag = python_tag
        self._length = 0
        self._tokens: deque[tuple[int, int, TokenLogprob | None]] = deque()
        """Not told yet: id, characters of the output up to its end, logprob."""
        self._told = 0
        """Characters of the output up to the last token that was told."""
        self._said = ""
        """Text whose token goes on with what is not decided."""

    def skip(self, piece: Piece) -> str:
        """Take what a resumed output already has, and give what of it is known to be text."""
        parts = self._read(piece)
        self._reader.told()
        self._tokens.clear()
        self._told = self._length
        return "".join(part.text for part in parts if isinstance(part, Text))

    def push(self, piece: Piece) -> list[Piece | CallPiece]:
        """Take a piece; give what is known to be text or of a call."""
        return [known for part in _cut(piece) for known in self._pieces(self._read(part))]

    def finish(self, ended: bool) -> tuple[list[Piece | CallPiece], bool]:
        """End the output; `ended` says that the model did. Give the rest, and whether there are calls, and count."""
        parts, counts = self._reader.finish(ended)
        pieces = self._pieces(parts)
        if self._said:
            pieces.append(self._rest_of_text())
        return pieces, counts

    def _read(self, piece: Piece) -> list[Text | Call]:
        ends = [self._length + end for end in piece.ends]
        self._tokens.extend(zip(piece.token_ids, ends, piece.logprobs or repeat(None), strict=False))
        parts: list[Text | Call] = []
        start = 0
        for token_id, end in zip(piece.token_ids, piece.ends, strict=True):
            if token_id == self._python_tag:
                parts += self._reader.read(piece.text[start:end])
                parts += self._reader.read_tag()
                start = end
        parts += self._reader.read(piece.text[start:])
        self._length += len(piece.text)
        return parts

    def _pieces(self, parts: Iterable[Text | Call]) -> list[Piece | CallPiece]:
        pieces: list[Piece | CallPiece] = []
        for number, group in groupby(parts, lambda part: part.number if isinstance(part, Call) else None):
            if number is None:
                texts = [piece for part in group if isinstance(part, Text) for piece in self._texts(part)]
                pieces += [piece for piece in texts if piece.text or piece.token_ids]
                continue
            if self._said:
                pieces.append(self._rest_of_text())
            pieces += self._call(number, [part for part in group if isinstance(part, Call)])
        ids, logprobs = self._take(self._reader.decided)
        if ids and not pieces:
            calls = self._reader.calls
            pieces.append(CallPiece(calls - 1, None, "") if calls else Piece("", [], []))
        if ids:
            pieces[-1].token_ids.extend(ids)
            pieces[-1].logprobs.extend(logprobs)
        return pieces

    def _texts(self, part: Text) -> Iterable[Piece]:
        """Give text in as many pieces as its tokens take: many, where it was held."""
        start = 0
        for end in [end for _, end, _ in self._tokens if end < part.end][MOST_TOKENS - 1 :: MOST_TOKENS]:
            stop = len(part.text) - (part.end - end)
            if stop > start:
                yield self._text(Text(part.text[start:stop], end))
                start = stop
        yield self._text(Text(part.text[start:], part.end))

    def _text(self, part: Text) -> Piece:
        """Give text with its tokens, as far as they end with it."""
        ids, logprobs = self._take(part.end)
        text = self._said + part.text
        end = len(text) - (part.end - self._told)
        self._said = text[end:]
        return Piece(text[:end], ids, logprobs)

    def _rest_of_text(self) -> Piece:
        text, self._said = self._said, ""
        return Piece(text, [], [])

    def _call(self, number: int, parts: Sequence[Call]) -> Iterable[Piece | CallPiece]:
        """Give a part of a call. What was held for it, many tokens perhaps, goes before: alone, it undoes nothing."""
        ids, logprobs = self._take(parts[-1].end)
        last = (len(ids) - 1) // MOST_TOKENS * MOST_TOKENS if ids else 0
        for start in range(0, last, MOST_TOKENS):
            yield Piece("", ids[start : start + MOST_TOKENS], logprobs[start : start + MOST_TOKENS])
        name = next((part.name for part in parts if part.name is not None), None)
        yield CallPiece(number, name, "".join(part.arguments for part in parts), ids[last:], logprobs[last:])

    def _take(self, end: int) -> tuple[list[int], list[TokenLogprob]]:
        """Take the tokens that end by a character of the output."""
        ids: list[int] = []
        logprobs: list[TokenLogprob] = []
        while self._tokens and self._tokens[0][1] <= end:
            token_id, self._told, logprob = self._tokens.popleft()
            ids.append(token_id)
            if logprob is not None:
                logprobs.append(logprob)
        return ids, logprobs


def _cut(piece: Piece) -> Iterable[Piece]:
    """Give a piece as several of about so many tokens, whole characters each."""
    ids, ends = piece.token_ids, piece.ends
    first = start = 0
    while len(ids) - first > MOST_TOKENS:
        after = first + MOST_TOKENS
        while after < len(ids) and ends[after] == ends[after - 1]:
            after += 1
        yield _part(piece, first, after, start, ends[after - 1])
        first, start = after, ends[after - 1]
    yield _part(piece, first, len(ids), start, len(piece.text))


def _part(piece: Piece, first: int, after: int, start: int, stop: int) -> Piece:
    ends = [end - start for end in piece.ends[first:after]]
    return Piece(piece.text[start:stop], piece.token_ids[first:after], piece.logprobs[first:after], ends)
