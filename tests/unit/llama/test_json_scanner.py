"""llama.json_scanner agrees with llama.strict_json about every text, however it is cut."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llama import strict_json
from llama.json_scanner import JsonScanner, Mismatch

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=8,
)
WHOLE = st.builds(json.dumps, VALUES, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
BITS = st.lists(
    st.sampled_from(
        (
            '"#\\#\\u#d83d#\\udc0e#0#-#1e9#1e999#.5#{#}#[#]#,#:# #\n#\t#true#null#NaN#Infinity#é'
            '#\x01#"a"#"a":1#/#\\n#\u00a0'
        ).split("#")
    ),
    max_size=12,
).map("".join)
MUTATED = st.builds(lambda text, at, bit: text[: at % (len(text) + 1)] + bit + text[at % (len(text) + 1) + 1 :],
                    WHOLE, st.integers(0, 99), BITS)  # fmt: skip
TEXTS = st.builds("".join, st.tuples(st.sampled_from(["", "{", "[", '"', '{"a":']), WHOLE | BITS | MUTATED))


def scan(text: str, cuts: list[int]) -> tuple[str, int]:
    """Read a text in pieces; tell how it went, and where it ended."""
    scanner = JsonScanner()
    marks = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(marks):
        try:
            stop = scanner.read(text, start, end)
        except Mismatch as mismatch:
            return "mismatch", mismatch.offset
        if scanner.done:
            return "done", stop
    return "open", len(text)


def is_json(text: str) -> bool:
    try:
        strict_json.loads(text)
    except ValueError:
        return False
    return True


@given(TEXTS, st.lists(st.integers(0, 999), max_size=6))
@example('"\\ud83d\\udc0e"', [])
@example('"\\ud83d"', [])
@example('"\\udc0e"', [])
@example('"\\ud83dx"', [4])
@example('"\\ud83d\\n"', [])
@example('{"a": 01}', [])
@example("[1e999]", [])
@example('{"a": 1,}', [])
@example("[[]]", [])
def test_it_says_what_reading_it_all_says(text, cuts):
    how, end = scan(text, cuts)
    assert (how, end) == scan(text, range(len(text))) == scan(text, [])
    if text[:1] in ('"', "{", "[") and text:
        ends = [stop for stop in range(1, len(text) + 1) if text[stop - 1] in '"}]' and is_json(text[:stop])]
        assert (how == "done") == bool(ends)
        assert how != "done" or end == ends[0]


@given(st.one_of(st.dictionaries(st.text(), VALUES), st.lists(VALUES), st.text()), st.text(max_size=3), st.booleans())
def test_every_value_is_read_to_its_end(value, after, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    if is_json(text):  # lone surrogates are none
        assert scan(text + after, range(len(text))) == ("done", len(text))


@pytest.mark.parametrize("levels", [1, strict_json.MAX_DEPTH, strict_json.MAX_DEPTH + 1, 100_000])
def test_depth_is_bounded(levels):
    how = "done" if levels <= strict_json.MAX_DEPTH else "mismatch"
    assert scan("[" * levels + "]" * levels, [])[0] == how


def test_a_number_is_no_longer_than_python_reads():
    assert scan(f"[{'1' * 4300}]", [7])[0] == "done"
    assert scan(f"[{'1' * 4301}]", [7]) == scan(f"[{'1' * 9999}]", range(9999)) == ("mismatch", 4301)
