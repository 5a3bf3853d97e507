"""llama.call: what is a call and what is text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama.call import may_be_call, read_call
from llama.chat import ToolCall

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    max_leaves=8,
)


@given(name=st.text(), arguments=st.dictionaries(st.text(), json_values), typed=st.booleans())
def test_every_call_is_read_back(name, arguments, typed):
    value = {"name": name, "parameters": arguments}
    text = json.dumps({"type": "function", **value} if typed else value, ensure_ascii=False)
    assert may_be_call(text)
    assert read_call(" " + text + "\n", [name]) == ToolCall(name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "{",
        '{"name": 5}',
        '{"parameters": {}}',
        '{"name": "f", "parameters": [1]}',
        '{"name": "f"} and more',
        '["f"]',
        '{"name": "g", "parameters": {}}',
        '{"name": "Bob", "age": 3}',
        '{"name": "f", "parameters": {"x": NaN}}',
        '{"name": "f", "parameters": {"x": 1e999}}',
        '{"name": "f", "parameters": {"x": "\\ud800"}}',
        '{"name": "f", "parameters": ' + "[" * 100_000,
    ],
)
def test_anything_else_is_text(text):
    assert read_call(text, ["f", "Bob"]) is None


def test_a_call_without_arguments_is_one():
    assert read_call('{"name": "now"}', ["now"]) == ToolCall("now", {})


def test_text_is_seen_from_its_first_character():
    assert not may_be_call("Hello {")
    assert may_be_call("\n {")
