"""Well-formed calls are read as Meta's own package reads them; where it is not followed, a table says so."""

from __future__ import annotations

import json
import random
import warnings
from types import SimpleNamespace

import pytest
from llama_models.datatypes import BuiltinTool as TheirTool
from llama_models.datatypes import StopReason
from llama_models.llama3.chat_format import ChatFormat, Role

from llama.call import CallReader
from llama.call_part import Text
from llama.chat import PYTHON_TAG, BuiltinTool

FUNCTIONS = ("get_weather", "f", "trending_songs", "a-b_2")
TOOLS = (*FUNCTIONS, *BuiltinTool)
CALLS = 3_000
WORDS = (
    "Bern",
    "it is",
    "3 < 4",
    "Zürich",
    "नमस्ते",
    "🐎",
    "a; b",
    "#",
    "x=1",
    "(y)",
    "[z]",
    "\\d",
    "100 %",
    "",
    "null",
    ":",
    ",",
)
QUOTED = ("it's", 'so "said"', "{curly}", "}", "<b>", "two\nlines", "\ttab", "\x7f", "\\")
LINES = ("import math", "x = [1, 2]", "def f(a):\n    return a", 'print(f"{x!r}")', "# it's", "d = {'a': 1}", "é < 1")


def reference(answer: str) -> list[tuple[str, object]]:
    """Read an answer as Meta's ChatFormat does, which finds one call at most."""
    chat_format = SimpleNamespace(
        possible_headers={Role.assistant: "<|start_header_id|>assistant<|end_header_id|>\n\n"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it parses code, and Python warns of what is in it
        message = ChatFormat.decode_assistant_message_from_content(chat_format, answer, StopReason.end_of_turn)
    return [
        (call.tool_name.value if isinstance(call.tool_name, TheirTool) else call.tool_name, call.arguments)
        for call in message.tool_calls
    ]


def ours(answer: str, size: int = 7) -> list[tuple[str, object]]:
    """Read an answer in pieces of a size."""
    reader = CallReader(TOOLS)
    parts = []
    for number, segment in enumerate(answer.split(PYTHON_TAG)):
        parts += reader.read_tag() if number else []
        for start in range(0, len(segment), size):
            parts += reader.read(segment[start : start + size])
    rest, counts = reader.finish(ended=True)
    calls: dict[int, list[str]] = {}
    for part in [*parts, *rest]:
        if not isinstance(part, Text):
            calls.setdefault(part.number, []).extend([part.name or "", part.arguments])
    return [(call[0], json.loads("".join(call[1:]))) for call in calls.values()] if counts else []


def value(rng: random.Random, words: tuple[str, ...], nested: bool, depth: int = 0) -> object:
    # The reference's types hold a list or an object of plain values, and nothing deeper.
    kinds = ["string", "string", "number", "word"] + (["list", "object"] if nested and not depth else [])
    match rng.choice(kinds):
        case "number":
            return rng.choice([0, -7, 2**70, 1.5, -2e-9, 1e300])
        case "word":
            return rng.choice([True, False, None])
        case "list":
            return [value(rng, words, nested, depth + 1) for _ in range(rng.randrange(4))]
        case "object":
            return {f"k{i}": value(rng, words, nested, depth + 1) for i in range(rng.randrange(4))}
    return " ".join(rng.choices(words, k=rng.randrange(4)))


def arguments(rng: random.Random, words: tuple[str, ...], nested: bool) -> dict[str, object]:
    names = rng.sample(["city", "n", "größe", "with space", "a.b", "x"], k=rng.randrange(4))
    return {name: value(rng, words, nested) for name in names}


def written(rng: random.Random, value: object) -> str:
    separators = rng.choice([None, (",", ":"), (" , ", " : ")])
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 2]), separators=separators)


def a_json_call(rng: random.Random) -> str:
    call = {"name": rng.choice(FUNCTIONS), "parameters": arguments(rng, WORDS + QUOTED, nested=True)}
    if rng.random() < 0.1:
        call = {"name": rng.choice(["brave_search", "wolfram_alpha"]), "parameters": {"query": rng.choice(QUOTED)}}
    if rng.random() < 0.5:
        call["type"] = "function"
    keys = list(call)
    rng.shuffle(keys)
    answer = written(rng, {key: call[key] for key in keys})
    return rng.choice(["", PYTHON_TAG]) + rng.choice(["", " ", "\n"]) + answer + rng.choice(["", "\n", " \n"])


def a_tagged_call(rng: random.Random) -> str:
    inside = json.dumps(arguments(rng, WORDS, nested=False), ensure_ascii=rng.random() < 0.5)
    before = rng.choice(["", "Let me see. ", "3 < 4, so:\n", PYTHON_TAG])
    after = rng.choice(["", "</function>", "</function>\n", "</function> Done."])
    return f"{before}<function={rng.choice(FUNCTIONS)}>{inside}{after}"


def a_query(rng: random.Random) -> str:
    query = " ".join(rng.choices([word for word in WORDS + QUOTED if '"' not in word], k=rng.randrange(5)))
    return (
        f'{PYTHON_TAG}{rng.choice(["brave_search", "wolfram_alpha"])}.call(query="{query}"){rng.choice(["", chr(10)])}'
    )


def code(rng: random.Random) -> str:
    return PYTHON_TAG + "\n".join(rng.choices(LINES, k=rng.randrange(1, 6))) + rng.choice(["", "\n"])


def text(rng: random.Random) -> str:
    words = [word for word in WORDS + QUOTED if word]
    return rng.choice(["", "Well, "]) + " ".join(rng.choices(words, k=rng.randrange(1, 9)))


@pytest.mark.parametrize("form", [a_json_call, a_tagged_call, a_query, code, text], ids=lambda form: form.__name__)
def test_what_is_well_formed_is_read_as_the_reference_reads_it(form):
    rng = random.Random(form.__name__)
    for _ in range(CALLS):
        answer = form(rng)
        expected = reference(answer)
        assert bool(expected) == (form is not text), answer
        assert ours(answer, rng.randrange(1, 20)) == expected, answer


DIFFERENCES = {
    "nested arguments are whole": (
        '<function=f>{"a": {"b": 1}}</function>', [], [("f", {"a": {"b": 1}})],
    ),
    "an apostrophe stays one": (
        '<function=f>{"a": "it\'s"}</function>', [], [("f", {"a": "it's"})],
    ),
    "a closing brace in a string ends nothing": (
        '<function=f>{"a": "}"}</function>', [], [("f", {"a": "}"})],
    ),
    "Python's quotes are no JSON": ("<function=f>{'a': 1}</function>", [("f", {"a": 1})], []),
    "all calls are read, not the first": (
        '<function=f>{"a": 1}</function><function=f>{"a": 2}</function>',
        [("f", {"a": 1})], [("f", {"a": 1}), ("f", {"a": 2})],
    ),
    "several objects are several calls": (
        '{"name": "f", "parameters": {}}; {"name": "f", "parameters": {"a": 1}}',
        [], [("f", {}), ("f", {"a": 1})],
    ),
    "what the request doesn't offer is text": ('{"name": "unknown", "parameters": {}}', [("unknown", {})], []),
    "an object with other keys is text": ('{"name": "f", "parameters": {}, "id": 1}', [("f", {})], []),
    "another type than function is text": ('{"type": "object", "name": "f", "parameters": {}}', [("f", {})], []),
    "a tag in an argument is an argument": (
        '{"name": "f", "parameters": {"a": "<function=g>{}"}}', [("g", {})], [("f", {"a": "<function=g>{}"})],
    ),
    "a built-in tool is called after the token only": (
        'Try brave_search.call(query="x").', [("brave_search", {"query": "x"})], [],
    ),
    "a method in code is code": (
        PYTHON_TAG + 'client.call(query="x")',
        [("client", {"query": "x"})], [("code_interpreter", {"code": 'client.call(query="x")'})],
    ),
    "a call in a comment of code is code": (
        PYTHON_TAG + 'x = 1  # brave_search.call(query="x")',
        [("brave_search", {"query": "x"})],
        [("code_interpreter", {"code": 'x = 1  # brave_search.call(query="x")'})],
    ),
    "a list of Python calls is no form of Llama 3.1": ("[f(a=1)]", [("f", {"a": 1})], []),
    "a list of calls in code is code": (
        PYTHON_TAG + "[f(a=1)]", [("f", {"a": 1})], [("code_interpreter", {"code": "[f(a=1)]"})],
    ),
    "the token is a token after text too": (
        "I compute. " + PYTHON_TAG + "1 + 1", [], [("code_interpreter", {"code": "1 + 1"})],
    ),
    "code keeps its spaces": (
        PYTHON_TAG + "x = 1 ", [("code_interpreter", {"code": "x = 1"})], [("code_interpreter", {"code": "x = 1 "})],
    ),
    "nothing after the token is no code": (PYTHON_TAG, [("code_interpreter", {"code": ""})], []),
    "code in the hf layout's notation is unwrapped": (
        PYTHON_TAG + 'code_interpreter.call(code="1")',
        [("code_interpreter", {"code": 'code_interpreter.call(code="1")'})],
        [("code_interpreter", {"code": "1"})],
    ),
    "built-in tools keep their argument's name": (
        '{"name": "code_interpreter", "parameters": {"code": "1"}}',
        [("code_interpreter", {"query": "1"})], [("code_interpreter", {"code": "1"})],
    ),
    "a built-in tool has its own argument": (
        '{"name": "brave_search", "parameters": {"q": "1"}}', [("brave_search", {"query": "1"})], [],
    ),
    "what follows a built-in call makes it none": (
        PYTHON_TAG + 'brave_search.call(query="x") and more', [("brave_search", {"query": "x"})], [],
    ),
    "NaN is no JSON": ('{"name": "f", "parameters": {"a": Infinity}}', [("f", {"a": float("inf")})], []),
}  # fmt: skip


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_is_deliberate(difference):
    answer, theirs, own = DIFFERENCES[difference]
    assert reference(answer) == theirs
    assert ours(answer) == own


CRASHES = ['{"name": "f"}', '{"type": "function", "parameters": {}}', '{"name": "f", "arguments": {}}']


@pytest.mark.parametrize("answer", [*CRASHES, '{"a":' * 100_000])
def test_where_the_reference_fails_there_is_an_answer(answer):
    with pytest.raises((KeyError, ValueError, RecursionError)):
        reference(answer)
    ours(answer)
