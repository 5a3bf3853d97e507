"""Whatever the ids, their chunks and the stop strings: text joined is text decoded at once, and nothing leaks."""

from __future__ import annotations

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from backends.types import TokenLogprob
from services.text import StopString, TextStream


class Pieces:
    """A tokenizer as far as text is concerned: ids are places in a list of pieces, and `None` is a control token."""

    def __init__(self, pieces: list[bytes | None]) -> None:
        self._pieces = pieces

    def piece(self, token_id: int) -> bytes:
        piece = self._pieces[token_id]
        return b"<|control|>" if piece is None else piece

    def is_control(self, token_id: int) -> bool:
        return self._pieces[token_id] is None

    def whole(self, ids: range) -> str:
        return b"".join(self._pieces[i] or b"" for i in ids).decode(errors="replace")


FEW = "aab\u00e9\U0001f40e"
"""Few letters, so that stop strings match, and characters of one, two and four bytes."""

CHUNK = st.text(FEW, max_size=3).map(str.encode)
BYTES = st.binary(min_size=1, max_size=3)
SPLIT = st.tuples(st.text(FEW, max_size=8).map(str.encode), st.lists(st.integers(0, 30), max_size=6))


def split(whole: bytes, at: list[int]) -> list[bytes]:
    """Cut bytes anywhere, as BPE does."""
    marks = sorted({0, len(whole), *(mark % (len(whole) + 1) for mark in at)})
    return [whole[start:end] for start, end in itertools.pairwise(marks)]


PIECES = st.lists(
    st.one_of(SPLIT.map(lambda parts: split(*parts)), CHUNK.map(lambda c: [c]), BYTES.map(lambda b: [b]), st.just([None])),  # noqa: E501
    max_size=8,
).map(lambda groups: [piece for group in groups for piece in group])  # fmt: skip
STOPS = st.lists(st.text(FEW + "\ufffd", min_size=1, max_size=4), max_size=4)


def chunked(ids: range, marks: list[int]) -> list[range]:
    """Cut ids into deltas, some of them empty."""
    at = sorted(mark % (len(ids) + 1) for mark in marks)
    return [ids[start:end] for start, end in zip([0, *at], [*at, len(ids)], strict=True)]


def expected(text: str, stops: list[str], include: bool) -> tuple[str, str | None]:
    """Say what a stream must give: the text up to the match that is complete first, the longest of them."""
    for end in range(1, len(text) + 1):
        met = [stop for stop in stops if text[:end].endswith(stop)]
        if met:
            stop = max(met, key=len)
            return text[: end if include else end - len(stop)], stop
    return text, None


def partial(text: str, stops: list[str]) -> int:
    """Give the length of the longest end of a text that begins a stop string."""
    return max(
        (size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])),
        default=0,
    )


@given(PIECES, st.lists(st.integers(0, 99), max_size=6), STOPS, st.booleans())
@example([b"ab", b"c", b"!"], [1, 2, 3], ["bd", "ce"], False)
@example([b"\xf0\x9f", None, b"\x90\x8e"], [1, 2], [], False)
@example([b"a\xc3", b"\xa9a"], [1], ["\u00e9a"], False)
def test_text_joined_is_the_text_decoded_at_once(pieces, marks, stops, include):
    tokenizer = Pieces(pieces)
    ids = range(len(pieces))
    stream = TextStream(tokenizer, stops, include)
    whole, stop = expected(tokenizer.whole(ids), stops, include)

    text, released = "", []
    for chunk in chunked(ids, marks):
        piece = stream.push(chunk)
        text += piece.text
        released += piece.token_ids
        assert whole.startswith(text), "no part of a match leaves"
        if stream.stopped():
            break
    else:
        piece = stream.finish()
        text += piece.text
        released += piece.token_ids

    assert text == whole
    assert stream.stop_string == stop
    assert released == list(ids[: len(released)])
    if stop is None:
        assert released == list(ids)
        assert stream.read == len(ids)


@given(PIECES, STOPS, st.booleans())
def test_what_may_be_a_match_is_held_and_no_more(pieces, stops, include):
    tokenizer = Pieces(pieces)
    stream = TextStream(tokenizer, stops, include)
    text, released = "", []

    for token_id in range(len(pieces)):
        piece = stream.push([token_id])
        text += piece.text
        released += piece.token_ids
        if stream.stopped():
            return
        assert text == tokenizer.whole(range(len(released))), "ids always say exactly which text is held"
        held = tokenizer.whole(range(len(released), token_id + 1))
        if not partial(text + held, stops) and "\ufffd" not in held:
            assert not held, "nothing is held without a reason"


@given(PIECES, st.lists(st.integers(0, 99), max_size=6), STOPS, st.booleans())
@example([b"ab", b"c", b"!"], [1, 2, 3], ["bd", "ce"], False)
def test_a_stream_resumed_with_the_released_ids_is_the_same_stream(pieces, marks, stops, include):
    tokenizer = Pieces(pieces)
    ids = range(len(pieces))
    chunks = chunked(ids, marks)
    text, released = "", []
    stream = TextStream(tokenizer, stops, include)
    cuts = [("", 0)]
    for chunk in chunks:
        piece = stream.push(chunk)
        text += piece.text
        released += piece.token_ids
        if stream.stopped():
            break
        cuts.append((text, len(released)))
    whole, stop = expected(tokenizer.whole(ids), stops, include)

    for before, count in cuts:
        resumed = TextStream(tokenizer, stops, include)
        resumed.skip(ids[:count])
        assert not resumed.stopped()
        rest = resumed.push(ids[count:])
        again, rest_ids = rest.text, rest.token_ids
        if not resumed.stopped():
            last = resumed.finish()
            again, rest_ids = again + last.text, rest_ids + last.token_ids
        assert before + again == whole
        assert resumed.stop_string == stop
        assert list(ids[:count]) + rest_ids == list(ids[: count + len(rest_ids)])


@given(PIECES, st.lists(st.integers(0, 99), max_size=6), STOPS)
def test_logprobs_stay_with_their_tokens(pieces, marks, stops):
    tokenizer = Pieces(pieces)
    stream = TextStream(tokenizer, stops, False)
    pairs = []
    for chunk in chunked(range(len(pieces)), marks):
        piece = stream.push(chunk, [TokenLogprob(-float(token_id), 1) for token_id in chunk])
        assert len(piece.logprobs) == len(piece.token_ids)
        pairs += zip(piece.token_ids, piece.logprobs, strict=True)
        if stream.stopped():
            break
    assert all(logprob.logprob == -float(token_id) for token_id, logprob in pairs)


@given(st.text("ab", min_size=1, max_size=5), st.text("ab", max_size=30))
def test_a_stop_string_is_found_where_it_is(string, text):
    stop = StopString(string)
    for end, character in enumerate(text, 1):
        complete = stop.step(character)
        assert complete == text[:end].endswith(string)
        if complete:
            return
        assert stop.matched == partial(text[:end], [string])


def test_a_stop_string_is_counted_up_to_the_token_that_completes_it():
    stream = TextStream(Pieces([b"a", b"S", b"TO", b"P!", b"more"]), ["STOP"], False)

    piece = stream.push(range(5))

    assert piece.text == "a"
    assert piece.token_ids == [0]
    assert stream.read == 4


def test_a_match_that_began_in_skipped_text_ends_the_output_and_takes_nothing_back():
    stream = TextStream(Pieces([b"aSTO", b"xP", b"P!"]), ["STOP"], False)

    stream.skip([0])
    piece = stream.push([2])

    assert stream.stop_string == "STOP"
    assert piece.text == ""
    assert stream.read == 2


def test_a_cut_within_a_token_gives_its_text_and_not_its_id():
    stream = TextStream(Pieces([b"a", b"bSTOPc"]), ["STOP"], True)

    piece = stream.push(range(2))

    assert piece.text == "abSTOP"
    assert piece.token_ids == [0]


@given(pieces=PIECES, marks=st.lists(st.integers(0, 30), max_size=6), skipped=st.integers(0, 3), scored=st.booleans())
def test_the_quick_way_gives_what_the_other_gives(pieces, marks, skipped, scored):
    tokenizer, ids = Pieces(pieces), range(len(pieces))
    exact, quick = (TextStream(tokenizer, [], False, ends=ends) for ends in (True, False))
    assert exact.skip(ids[:skipped]) == quick.skip(ids[:skipped])

    for chunk in chunked(ids[skipped:], marks):
        logprobs = [TokenLogprob(-1.0, i) for i in chunk] if scored else []
        one, other = exact.push(chunk, logprobs), quick.push(chunk, logprobs)
        assert (one.text, one.token_ids, one.logprobs) == (other.text, other.token_ids, other.logprobs)
        assert exact.read == quick.read
    one, other = exact.finish(), quick.finish()
    assert (one.text, one.token_ids, one.logprobs) == (other.text, other.token_ids, other.logprobs)
