"""From token ids to text, as they come: whole characters, and no part of a stop string before it is known to be none.

Text and token records travel together: a token is released when all the text it contributes to is, so the ids a client
holds always say exactly which text it holds. Joined, the text equals that of all ids decoded at once.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backends.types import TokenLogprob
from llama.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Piece:
    """Released text with the tokens that it ends with, and their logprobs when asked for.

    Attributes:
        ends: for each token, how much of `text` there is when all characters that it contributes to are complete;
            where it is asked for.
    """

    text: str
    token_ids: list[int]
    logprobs: list[TokenLogprob]
    ends: list[int] = field(default_factory=list)


class StopString:
    """Knuth-Morris-Pratt matching of one string, a character at a time: linear, whatever the chunks."""

    def __init__(self, string: str) -> None:
        """Take a string of at least one character."""
        self.string = string
        self.matched = 0
        self._fallback = [0] * (len(string) + 1)
        matched = 0
        for index in range(1, len(string)):
            while matched and string[index] != string[matched]:
                matched = self._fallback[matched]
            matched += string[index] == string[matched]
            self._fallback[index + 1] = matched

    def step(self, character: str) -> bool:
        """Read a character and tell whether it completes a match. `matched` is the length of the partial one."""
        while self.matched and character != self.string[self.matched]:
            self.matched = self._fallback[self.matched]
        self.matched += character == self.string[self.matched]
        return self.matched == len(self.string)


@dataclass(slots=True)
class _Held:
    token_id: int
    logprob: TokenLogprob | None
    text_end: int
    """Characters decoded when the token was read."""
    whole: bool
    """No byte of it waits for the rest of a character."""


class TextStream:
    """The text of one output.

    Attributes:
        stop_string: the stop string that was met, or None. After one, nothing more is to be pushed.
        read: ids read so far, up to the one that completed the stop string.
    """

    def __init__(
        self, tokenizer: Tokenizer, stop_strings: Sequence[str], include_stop: bool, ends: bool = True
    ) -> None:
        """Take what to look for, and whether pieces tell the ends of their tokens: without either, it is quicker."""
        self._tokenizer = tokenizer
        self._plain = PlainText(tokenizer) if not stop_strings and not ends else None
        self._stops = [StopString(string) for string in stop_strings]
        self._include_stop = include_stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held: deque[_Held] = deque()
        self._text = ""
        """Decoded and not released."""
        self._released = 0
        self.stop_string: str | None = None
        self.read = 0

    def stopped(self) -> bool:
        """Tell whether a stop string was met."""
        return self.stop_string is not None

    def push(self, token_ids: Sequence[int], logprobs: Sequence[TokenLogprob] = ()) -> Piece:
        """Read ids and give what they release, possibly nothing. Stops reading at a stop string."""
        if self._plain is not None:
            self.read += len(token_ids)
            return self._plain.push(token_ids, logprobs)
        for index, token_id in enumerate(token_ids):
            cut = self._read(token_id, logprobs[index] if logprobs else None)
            if cut is not None:
                return self._release(cut, whole_tokens=False)
        held_back = max((stop.matched for stop in self._stops), default=0)
        return self._release(self._released + len(self._text) - held_back)

    def skip(self, token_ids: Sequence[int]) -> Piece:
        """Read ids that the client already has, and give them with their text: none of it is released again."""
        self.read += len(token_ids)
        texts: list[str] = []
        ends: list[int] = []
        end = 0
        for token_id in token_ids:
            control = self._tokenizer.is_control(token_id)
            texts.append("" if control else self._decoder.decode(self._tokenizer.piece(token_id)))
            end += len(texts[-1])
            ends.append(end)
        text = "".join(texts)
        longest = max((len(stop.string) for stop in self._stops), default=0)
        self._match(text[-longest:] if longest else "")  # what came before has no part in a match that goes on
        self._text = ""
        if self._plain is not None:
            self._plain.tail = self._decoder.getstate()[0]
        return Piece(text, list(token_ids), [], ends)

    def finish(self) -> Piece:
        """Release all that is held: no more ids will come."""
        if self._plain is not None:
            return self._plain.push((), (), last=True)
        cut = self._match(self._decoder.decode(b"", final=True))
        end = self._released + len(self._text) if cut is None else cut
        return self._release(end, whole_tokens=cut is not None, last=True)

    def _read(self, token_id: int, logprob: TokenLogprob | None) -> int | None:
        self.read += 1
        control = self._tokenizer.is_control(token_id)
        text = "" if control else self._decoder.decode(self._tokenizer.piece(token_id))
        cut = self._match(text)
        whole = not self._decoder.getstate()[0]
        self._held.append(_Held(token_id, logprob, self._released + len(self._text), whole))
        return cut

    def _match(self, text: str) -> int | None:
        """Add text; give the offset to cut the output at when it completes a stop string."""
        start = self._released + len(self._text)
        self._text += text
        for end, character in enumerate(text if self._stops else "", start + 1):
            complete = [stop for stop in self._stops if stop.step(character)]
            if complete:
                longest = max(complete, key=lambda stop: len(stop.string))
                self.stop_string = longest.string
                cut = end if self._include_stop else end - len(longest.string)
                return max(cut, self._released)  # what was skipped can't be taken back
        return None

    def _release(self, end: int, whole_tokens: bool = True, last: bool = False) -> Piece:
        """Release tokens whose text ends by `end`, and their text; or, at a cut, the text up to `end` exactly."""
        tokens = list(self._take(end, last))
        if whole_tokens and not last:
            end = tokens[-1].text_end if tokens else self._released
        text, self._text = self._text[: end - self._released], self._text[end - self._released :]
        self._released = end
        logprobs = [held.logprob for held in tokens if held.logprob is not None]
        return Piece(text, [held.token_id for held in tokens], logprobs, _ends(tokens, end - len(text)))

    def _take(self, end: int, last: bool) -> Iterator[_Held]:
        count = 0
        for index, held in enumerate(self._held, 1):
            if held.text_end > end:
                break
            if held.whole or last:
                count = index
        for _ in range(count):
            yield self._held.popleft()


class PlainText:
    """The text of ids where nothing is looked for in it: many at a time.

    Attributes:
        tail: bytes of a character that an output which is resumed has begun already.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._held: list[int] = []
        self._logprobs: list[TokenLogprob] = []
        self.tail = b""

    def push(self, token_ids: Sequence[int], logprobs: Sequence[TokenLogprob], last: bool = False) -> Piece:
        """Read ids and give those whose characters are whole; all of them at the last call."""
        ids, told = [*self._held, *token_ids], [*self._logprobs, *logprobs]
        piece, is_control = self._tokenizer.piece, self._tokenizer.is_control
        pieces = [b"" if is_control(token_id) else piece(token_id) for token_id in ids]
        raw = self.tail + b"".join(pieces)
        text, used = codecs.utf_8_decode(raw, "replace", last)
        count = len(ids)
        while used < len(raw) and count:  # a character has begun: the tokens that it began in wait
            count -= 1
            raw = raw[: len(raw) - len(pieces[count])]
            text, used = codecs.utf_8_decode(raw, "replace", False)
        self._held, self._logprobs = ids[count:], told[count:]
        if count:
            self.tail = b""
        return Piece(text, ids[:count], told[:count])


def _ends(tokens: Sequence[_Held], start: int) -> list[int]:
    """Give the end of each token's text, from `start` on; that of half a character is the character's."""
    ends: list[int] = []
    for held in reversed(tokens):
        ends.append(held.text_end - start if held.whole or not ends else ends[-1])
    return ends[::-1]
