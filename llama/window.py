"""Texts for classifiers: windows that overlap, with the bytes they cover, and letters that were s p a c e d out."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from llama.tokenizer import Tokenizer

_OVERLAP = 4
"""Neighbours share one part in this many: whatever is shorter lies whole in one of them."""

_WORD = re.compile(r"[^\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
"""What lies between white space. What takes no space at all counts as such: it is used to take words apart unseen."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a text, as a classifier reads it.

    Attributes:
        token_ids: with the checkpoint's own ids before and after.
        start: the first byte of the text's UTF-8 form that it covers.
        end: one past the last.
    """

    token_ids: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Respaced:
    """A text without the white space that takes words apart, and where its characters were.

    Attributes:
        text: what is left.
        starts: of its pieces in `text`, ascending from 0; empty where nothing was changed.
        origins: of the same pieces in the original.
    """

    text: str
    starts: Sequence[int] = ()
    origins: Sequence[int] = ()

    def origin(self, index: int) -> int:
        """Tell where the character at an index of `text` was in the original."""
        piece = bisect_right(self.starts, index) - 1
        return index if piece < 0 else self.origins[piece] + index - self.starts[piece]


def respace(text: str, tokenizer: Tokenizer) -> Respaced:
    """Drop white space, and put one space back wherever it stood before what is a token's first character without it.

    Meta's remedy for Prompt Guard's known weakness: `i g n o r e` is read as seven words of nothing, and as one that
    tells once the spaces are gone, while words that were whole stay apart.
    """
    words = list(_WORD.finditer(text))
    bare = "".join(word[0] for word in words)
    first = {start for start, _ in tokenizer.encode_with_spans(bare)[1]}
    pieces: list[str] = []
    starts: list[int] = []
    length = 0
    for word, start in zip(words, accumulate((len(word[0]) for word in words), initial=0), strict=False):
        if start and start in first:
            pieces.append(" ")
            length += 1
        starts.append(length)
        pieces.append(word[0])
        length += len(word[0])
    return Respaced("".join(pieces), starts, [word.start() for word in words])


def split(text: str, tokenizer: Tokenizer, size: int, respaced: Respaced | None = None) -> list[Window]:
    """Split a text into windows of at most `size` ids, as few as overlap by a quarter; the last ends with the text.

    Args:
        text: what the bytes are counted in.
        tokenizer: whose `prefix` and `suffix` surround each window; `size` must leave room for more.
        size: the classifier's context length, in tokens.
        respaced: what is read instead of `text`.

    Returns:
        at least one window. Together they cover every byte of the text.
    """
    respaced = respaced or Respaced(text)
    ids, spans = tokenizer.encode_with_spans(respaced.text)
    body = size - len(tokenizer.prefix) - len(tokenizer.suffix)
    firsts = _firsts(len(ids), body)

    def end_of(token: int) -> int:
        return respaced.origin(max(spans[token][1], 1) - 1) + 1

    edges = [0, *(min(respaced.origin(spans[first][0]), end_of(first - 1)) for first in firsts[1:])]
    ends = [*(end_of(first + body - 1) for first in firsts[:-1]), len(text)]
    at = _byte_offsets(text, {*edges, *ends})
    return [
        Window((*tokenizer.prefix, *ids[first : first + body], *tokenizer.suffix), at[start], at[end])
        for first, start, end in zip(firsts, edges, ends, strict=True)
    ]


def _firsts(count: int, body: int) -> list[int]:
    """Tell with which of `count` tokens the windows begin."""
    if count <= body:
        return [0]
    return [*range(0, count - body, body - body // _OVERLAP), count - body]


def _byte_offsets(text: str, characters: set[int]) -> dict[int, int]:
    """Tell at which byte of the UTF-8 form each of these characters begins."""
    ordered = sorted(characters)
    sizes = [len(text[start:end].encode()) for start, end in zip([0, *ordered], ordered, strict=False)]
    return dict(zip(ordered, accumulate(sizes), strict=True))
