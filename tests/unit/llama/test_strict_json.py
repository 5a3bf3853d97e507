"""llama.strict_json: what everyone calls JSON, and nothing that Python adds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama.strict_json import MAX_DEPTH, loads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=values, ascii_only=st.booleans())
def test_json_is_read(value, ascii_only):
    assert loads(json.dumps(value, ensure_ascii=ascii_only)) == value


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", '"\\ud800"', '{"\\udfff": 1}', "", "{", "[1,]", "'a'"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        loads(text)


def test_depth_is_bounded_before_anything_is_read():
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    for text in ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), '{"a":' * 100_000, "[" * 10_000_000):
        with pytest.raises(ValueError, match="levels deep"):
            loads(text)


def test_brackets_in_strings_are_no_levels():
    assert loads('["' + "[" * 100 + '\\"{{"]') == ["[" * 100 + '"{{']
