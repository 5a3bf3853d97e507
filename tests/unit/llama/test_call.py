"""llama.call: what is a call and what is text, whatever the pieces it comes in."""

from __future__ import annotations

import itertools
import json
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llama import strict_json
from llama.call import MAX_HELD, CallReader
from llama.call_part import Call, Text
from llama.chat import PYTHON_TAG, BuiltinTool

TOOLS = ("f", "get_weather", *BuiltinTool)
FUNCTIONS = ("f", "get_weather")


class Read:
    """What came of an answer."""

    def __init__(self, tools) -> None:
        self.reader = CallReader(tools)
        self.text = ""
        self.counts = False
        self._begun: dict[int, list[str]] = {}
        self._end = 0

    def take(self, parts) -> None:
        for part in parts:
            assert part.end >= self._end, "parts come in order"
            self._end = part.end
            if isinstance(part, Text):
                self.text += part.text
            elif part.name is not None:
                assert part.number not in self._begun or not self.reader.calls
                self._begun[part.number] = [part.name]
            if isinstance(part, Call):
                self._begun[part.number].append(part.arguments)

    @property
    def begun(self) -> list[tuple[str, str]]:
        """Names and arguments, also of calls that don't count."""
        return [(call[0], "".join(call[1:])) for call in self._begun.values()]

    @property
    def calls(self) -> list[tuple[str, object]]:
        return [(name, strict_json.loads(arguments)) for name, arguments in self.begun] if self.counts else []


def read(answer: str, tools=TOOLS, cuts=(), ended: bool = True, size: int = 10**9) -> Read:
    """Read an answer in pieces. The tag's name stands for the control token."""
    result = Read(tools)
    for number, segment in enumerate(answer.split(PYTHON_TAG)):
        if number:
            result.take(result.reader.read_tag())
        marks = sorted({*range(0, len(segment), size), len(segment), *(cut % (len(segment) + 1) for cut in cuts)})
        for start, end in itertools.pairwise(marks):
            result.take(result.reader.read(segment[start:end]))
    parts, result.counts = result.reader.finish(ended)
    result.take(parts)
    return result


CALLS = [
    ('{"name": "f", "parameters": {"a": 1}}', [("f", {"a": 1})]),
    (' \n{"name": "f", "parameters": {}}\n', [("f", {})]),
    ('{"type": "function", "name": "f", "parameters": {"a": "é\\u00e9\\n"}}', [("f", {"a": "éé\n"})]),
    ('{"name": "f", "type": "function", "parameters": {"a": [{}]}}', [("f", {"a": [{}]})]),
    ('{"parameters": {"a": {"b": [1, 2]}}, "name": "f"}', [("f", {"a": {"b": [1, 2]}})]),
    ('{"name": "f", "arguments": {"a": null}}', [("f", {"a": None})]),
    ('{"name": "f"}', [("f", {})]),
    ('{"name": "get\\u005fweather", "parameters": {}}', [("get_weather", {})]),
    ('{"name": "f", "parameters": {"a": "it\'s } here: <function=f>{}"}}',
     [("f", {"a": "it's } here: <function=f>{}"})]),
    ('{"name": "f", "parameters": {}}; {"name": "get_weather", "parameters": {"x": 2}}',
     [("f", {}), ("get_weather", {"x": 2})]),
    ('{"name": "f"}\n{"name": "f"};\n', [("f", {}), ("f", {})]),
    ('{"name": "f"}{"parameters": {"a": 1}, "name": "f"}', [("f", {}), ("f", {"a": 1})]),
    ('{"name": "brave_search", "parameters": {"query": "q"}}', [("brave_search", {"query": "q"})]),
    ('<function=f>{"a": {"b": "it\'s"}}</function>', [("f", {"a": {"b": "it's"}})]),
    ('<function=f>{}</function><function=f>{"a": 1}</function>', [("f", {}), ("f", {"a": 1})]),
    ('<function=f>\n{}\n</function>\n', [("f", {})]),
    ("<function=f>{}", [("f", {})]),
    (PYTHON_TAG + 'brave_search.call(query="who\'s there? \\n")', [("brave_search", {"query": "who's there? \\n"})]),
    (PYTHON_TAG + 'wolfram_alpha.call(query="1+1")\n', [("wolfram_alpha", {"query": "1+1"})]),
    (PYTHON_TAG + '{"name": "f", "parameters": {"a": 1}}', [("f", {"a": 1})]),
    (PYTHON_TAG + "<function=f>{}</function>", [("f", {})]),
    (PYTHON_TAG + 'print("a")\n', [("code_interpreter", {"code": 'print("a")\n'})]),
    (PYTHON_TAG + "  x = {1: 2}", [("code_interpreter", {"code": "  x = {1: 2}"})]),
    (PYTHON_TAG + "{1, 2}", [("code_interpreter", {"code": "{1, 2}"})]),
    (PYTHON_TAG + '{"name": "unknown"}', [("code_interpreter", {"code": '{"name": "unknown"}'})]),
    (PYTHON_TAG + "<b>", [("code_interpreter", {"code": "<b>"})]),
    (PYTHON_TAG + 'client.call(query="x")', [("code_interpreter", {"code": 'client.call(query="x")'})]),
    (PYTHON_TAG + 'x = brave_search.call(query="x")',
     [("code_interpreter", {"code": 'x = brave_search.call(query="x")'})]),
    (PYTHON_TAG + "brave_search", [("code_interpreter", {"code": "brave_search"})]),
    (PYTHON_TAG + 'code_interpreter.call(code="print("a")\nprint("b")")',
     [("code_interpreter", {"code": 'print("a")\nprint("b")'})]),
    (PYTHON_TAG + '{"name": "f"}' + PYTHON_TAG + '{"name": "f"}', [("f", {}), ("f", {})]),
    (PYTHON_TAG + PYTHON_TAG + "1", [("code_interpreter", {"code": "1"})]),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "calls"), CALLS)
def test_each_form_is_read_a_character_at_a_time_and_at_once(answer, calls):
    for cuts in ((), range(len(answer)), range(0, len(answer), 3)):
        result = read(answer, cuts=cuts)
        assert result.calls == calls
        assert not result.text


TEXTS = [
    "",
    "Hello",
    "It is 3 < 4, and <b>bold</b>.",
    "{",
    "{}",
    "[]",
    '{"name": 5}',
    '{"name": "f"',
    '{"parameters": {}}',
    '{"name": "f", "parameters": [1]}',
    '{"name": "f", "parameters": null}',
    '{"name": "f"} and more',
    '{"name": "f"}, {"name": "f"}',
    '{"name": "f"}; {"name": "unknown"}',
    '[{"name": "f"}]',
    '["f"]',
    '{"name": "unknown", "parameters": {}}',
    '{"name": "Bob", "age": 3}',
    '{"name": "f", "name": "f"}',
    '{"name": "f", "parameters": {}, "arguments": {}}',
    '{"name": "f", "parameters": {}, "id": 1}',
    '{"type": "object", "name": "f", "parameters": {}}',
    '{"name": "f", "parameters": {}, "type": "object"}',
    '{"type": "function", "function": {"name": "f"}}',
    '{"name": "f", "parameters": {"x": NaN}}',
    '{"name": "f", "parameters": {"x": 1e999}}',
    '{"name": "f", "parameters": {"x": "\\ud800"}}',
    '{"name": "f", "parameters": {"x": "\n"}}',
    '{"name": "f", "parameters": {\'x\': 1}}',
    '{"name": "f", "parameters": {"x": 1}}}',
    '{"name": "f", "parameters": ' + "[" * 100_000,
    '{"name": "f", "parameters": {"a": ' + "[" * 100_000,
    "[" * 5_000,
    '{"a":' * 5_000,
    "Sure: " + '{"name": "f", "parameters": {}}',
    "<function=unknown>{}</function>",
    "<function=brave_search>{}</function>",
    '{"name": "brave_search", "parameters": {"q": "x"}}',
    '{"name": "brave_search", "parameters": {"query": 1}}',
    '{"name": "code_interpreter"}',
    "<function=f>",
    "<function=f>[]</function>",
    "<function=f {}</function>",
    '<function=f>{"a": 1',
    '<function=f>{"a" 1}</function>',
    "<function=f>{'a': 1}</function>",
    "A <function=f>{}</function> B <function=f>{]</function> C",
    'brave_search.call(query="x")',
    PYTHON_TAG + 'brave_search.call(query="x',
    PYTHON_TAG + 'brave_search.call(query="x"',
    PYTHON_TAG + 'brave_search.call(query="x" + y)',
    PYTHON_TAG + 'brave_search.call(query="x") or y',
    PYTHON_TAG + 'code_interpreter.call(code="x',
    PYTHON_TAG + 'code_interpreter.call(code="x") or y',
    PYTHON_TAG + "print(1)" + PYTHON_TAG + "print(2)",
    PYTHON_TAG + '{"name": "f", "parameters": {"a": ' + PYTHON_TAG + "1}}",
    PYTHON_TAG,
    PYTHON_TAG + " ",
]


@pytest.mark.parametrize("answer", TEXTS, ids=[text[:40] for text in TEXTS])
def test_anything_else_is_text_as_it_was_written(answer):
    for cuts in ((), range(len(answer)), range(0, len(answer), 3)):
        result = read(answer, cuts=cuts)
        assert not result.calls
        assert result.text == answer.replace(PYTHON_TAG, "")


def test_text_beside_tagged_calls_is_text():
    result = read("Let me see. <function=f>{}</function> And <function=f>{}</function>\nDone.")
    assert result.calls == [("f", {}), ("f", {})]
    assert result.text == "Let me see.  And \nDone."


def test_text_before_the_tag_is_text():
    result = read("I compute. " + PYTHON_TAG + "1 + 1")
    assert result.text == "I compute. "
    assert result.calls == [("code_interpreter", {"code": "1 + 1"})]


def test_what_the_request_does_not_offer_is_text():
    for answer in (
        PYTHON_TAG + "print(1)",
        PYTHON_TAG + 'brave_search.call(query="x")',
        '{"name": "brave_search", "parameters": {"query": "x"}}',
        "<function=brave_search>{}</function>",
    ):
        result = read(answer, FUNCTIONS)
        assert not result.calls
        assert result.text == answer.replace(PYTHON_TAG, "")


def test_a_function_that_is_called_like_a_built_in_tool_is_a_function():
    assert read('{"name": "code_interpreter", "parameters": {"x": 1}}', ["code_interpreter"]).calls
    for answer in ("print(1)", 'code_interpreter.call(code="1")'):
        assert not read(PYTHON_TAG + answer, ["code_interpreter"]).calls


def test_a_call_counts_only_where_the_model_ended_the_answer():
    for answer, _ in CALLS:
        result = read("Well. " * answer.startswith("<") + answer, ended=False)
        assert not result.calls
        assert result.text.endswith(answer.replace(PYTHON_TAG, ""))


def test_the_name_is_told_when_the_arguments_begin():
    reader = CallReader(TOOLS)
    assert not reader.read('{"name": "f", "parameters": ')
    assert reader.read("{") == [Call(0, "f", "", 29), Call(0, None, "{", 29)]
    assert reader.read('"a":  "b') == [Call(0, None, '"a":  "b', 37)], "as it was written"


def test_arguments_wait_for_a_name_that_comes_later():
    reader = CallReader(TOOLS)
    assert not reader.read('{"parameters": {"a": 1}, "name": "')
    assert reader.read('f"') == [Call(0, "f", "", 36), Call(0, None, '{"a": 1}', 36)]


def test_code_is_told_as_it_comes():
    reader = CallReader(TOOLS)
    reader.read_tag()
    assert [part.arguments for part in reader.read("print(")] == ["", '{"code": "', "print("]
    assert [part.arguments for part in reader.read('"é\n')] == ['\\"é\\n']


def test_text_is_told_at_once_but_for_what_may_begin_a_call():
    reader = CallReader(TOOLS)
    assert reader.read("a < b <fun") == [Text("a < b ", 6)]
    assert reader.decided == 6
    assert reader.read("xy") == [Text("<fun", 10), Text("xy", 12)]


def test_what_is_undecided_for_too_long_is_text():
    for cuts in ((), range(0, MAX_HELD, 100)):
        begun = read('{"parameters": {"a": "' + "x" * (MAX_HELD - 60) + '"}, "name": "f"}', cuts=cuts)
        assert len(begun.calls) == 1
        late = read('{"parameters": {"a": "' + "x" * MAX_HELD + '"}, "name": "f"} <function=f>{}', cuts=cuts)
        assert late.calls == [("f", {})]
        assert len(late.text) > MAX_HELD


def test_what_is_told_already_is_not_told_again_as_text():
    reader = CallReader(TOOLS)
    reader.read("a <fu")
    reader.told()
    assert reader.read("x") == [Text("x", 6)]


FRAGMENTS = st.lists(
    st.sampled_from(
        (
            '<function=#f#>#</function>#<#{#}#"name"#"parameters"#:#,#"f"#"type"#"function"#;# #\n#"#\\#é#1#[#]'
            '#brave_search#.call(query="#.call(code="#")#code_interpreter#{}#{"name": "f", "parameters": {#}}'
            '#<function=f>{"a": "b#{"name": "f", "parameters": {"a": 1}}#<function=f>{}#<|python_tag|>'
        ).split("#")
    ),
    max_size=10,
).map("".join)
CUTS = st.lists(st.integers(0, 99), max_size=8)


@given(FRAGMENTS | st.text(), CUTS, st.booleans(), st.sampled_from([TOOLS, FUNCTIONS]))
@example('<function=f>{}</function> <function=f>{"', [], True, TOOLS)
def test_the_result_does_not_depend_on_the_pieces_and_nothing_is_lost(answer, cuts, ended, tools):
    once, cut, single = (read(answer, tools, c, ended, size) for c, size in (((), 10**9), (cuts, 10**9), ((), 1)))
    assert once.text == cut.text == single.text
    assert once.calls == cut.calls == single.calls
    assert [name for name, _ in once.begun] == [name for name, _ in cut.begun] == [name for name, _ in single.begun]
    if not once.counts:
        assert once.text == answer.replace(PYTHON_TAG, "")
    assert not once.counts or ended


@given(FRAGMENTS, CUTS)
def test_without_tools_everything_is_text(answer, cuts):
    result = read(answer, (), cuts)
    assert result.text == answer.replace(PYTHON_TAG, "")
    assert not result.begun


def naive(answer: str) -> object:
    """Read a whole answer as one call in JSON, by a JSON library."""
    try:
        value = strict_json.loads(answer)
    except ValueError:
        return None
    if not isinstance(value, dict) or not value.keys() <= {"type", "name", "parameters"}:
        return None
    if value.get("name") not in ("f", "get_weather") or value.get("type", "function") != "function":
        return None
    arguments = value.get("parameters", {})
    return [(value["name"], arguments)] if isinstance(arguments, dict) else None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(
    st.one_of(
        st.tuples(st.just("name"), st.sampled_from(["f", "get_weather", "other", 5])),
        st.tuples(st.just("parameters"), st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3) | JSON_VALUES),
        st.tuples(st.just("type"), st.sampled_from(["function", "object"])),
        st.tuples(st.text(max_size=4), JSON_VALUES),
    ),
    max_size=4,
    unique_by=lambda item: item[0],
).map(dict)


@given(OBJECTS, st.booleans(), st.sampled_from([None, 0, 2]), CUTS)
def test_json_is_read_as_a_json_library_reads_it(value, ascii_only, indent, cuts):
    answer = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    result = read(answer, FUNCTIONS, cuts)
    assert result.calls == (naive(answer) or [])


LONG = {
    "openings": lambda n: "<function=f>" * n,
    "unknown functions": lambda n: "<function=a>" * n,
    "brackets": lambda n: '{"name": "f", "parameters": {"a": "' + "[" * n,
    "less-than signs": lambda n: "<" * n,
    "tagged calls": lambda n: "<function=f>{}</function>" * n,
    "objects": lambda n: '{"name": "f"}' * n,
    "broken at the end": lambda n: '{"name": "f"}' * n + "!",
    "quotes in code": lambda n: PYTHON_TAG + 'code_interpreter.call(code="' + '")' * n,
    "tags": lambda n: (PYTHON_TAG + "{") * n,
    "white space": lambda n: " " * n,
    "numbers": lambda n: '{"name": "f", "parameters": {"a": [' + "1," * n + "1]}}",
    "escapes": lambda n: '{"name": "f", "parameters": {"a": "' + "\\u00e9" * n + '"}}',
    "a late name": lambda n: '{"parameters": {"a": "' + "x" * n + '"}, "name": "f"}',
}


@pytest.mark.parametrize("shape", LONG)
@pytest.mark.parametrize("size", [1, 10**9])
def test_work_grows_as_the_answer_does(shape, size):
    def work(n: int) -> int:
        answer = LONG[shape](n)
        done = 0

        def count(frame, event, argument) -> None:
            nonlocal done
            done += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            read(answer, size=size)
        finally:
            sys.setprofile(None)
        return done

    small, large = work(1_000), work(4_000)
    assert large < 4.4 * small + 200


@pytest.mark.timeout(60)
@pytest.mark.parametrize("shape", ["code", "arguments", "text", "broken"])
def test_a_megabyte_is_read_in_pieces(shape):
    """What copied all that came before with each piece would take many minutes."""
    start, end = {
        "code": (PYTHON_TAG, ""),
        "arguments": ('{"name": "f", "parameters": {"a": "', '"}}'),
        "text": ("", ""),
        "broken": ('{"name": "f", "parameters": {"a": "', '"}'),
    }[shape]
    result = read(start + "ab<d" * 2**18 + end, size=8)
    assert len(result.text) + sum(len(arguments) for _, arguments in result.begun) >= 2**20
