"""Whatever a grammar lets through is what was asked for: walks at random through grammars of random schemas."""

from __future__ import annotations

import json
import re

import pytest

pytest.importorskip("xgrammar")

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama import strict_json
from paddock.v1 import generate_pb2
from services.checks import Checks
from services.errors import InvalidArgumentError
from services.grammar.json_value import Values
from services.grammar.rule import write
from services.response_format import read_response_format
from services.schema import compile_schema
from tests.walk import misjudged, walk

FORMATS = jsonschema.FormatChecker(("date", "email", "ipv4", "uuid"))
NAMES = st.sampled_from(["a", "b", "ab", "name", "", "é", 'q"', "\\", "x/y", "\n", "😀"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-50, 50)
    | st.sampled_from([0.5, -1.25, 1e20, 2.0])
    | st.text(max_size=4).filter(lambda t: "\0" not in t),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=3,
)
PATTERNS = st.sampled_from(
    ["^[a-z]+$", "b.c", r"^\d{2,4}", r"x$|^y", r"^(?:\w+ )*\w+$", '"|\\\\', "^[^a-z]{1,3}$", r"\S\s\S", "é+", "^$"]
)


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def joined(kind, fields):
    return fields.map(lambda found: {"type": kind, **found})


def schemas(depth=3):
    inner = st.deferred(lambda: schemas(depth - 1)) if depth else st.just({"type": "boolean"})
    count = st.integers(0, 3)
    properties = st.dictionaries(NAMES, inner, max_size=4)
    return st.one_of(
        st.sampled_from([True, {}, {"type": "null"}, {"type": ["boolean", "null"]}, {"$ref": "#/$defs/node"}]),
        joined("string", optional(minLength=count, maxLength=st.integers(3, 300))),
        joined("string", st.fixed_dictionaries({"pattern": PATTERNS}, optional={"maxLength": st.integers(4, 12)})),
        joined(
            "string",
            st.fixed_dictionaries(
                {"format": st.sampled_from(["date", "date-time", "uuid", "ipv4", "email", "time", "hostname"])}
            ),
        ),
        joined(
            "integer",
            optional(
                minimum=st.integers(-150, 5),
                maximum=st.integers(6, 2000),
                exclusiveMinimum=st.floats(-9.5, 4, width=16),
            ),
        ),
        joined(
            "number",
            optional(
                minimum=st.sampled_from([-3, -1.25, 0, 0.1]), exclusiveMaximum=st.sampled_from([0.2, 1, 7.75, 1000])
            ),
        ),
        st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"const": VALUES}),
        joined(
            "array",
            st.fixed_dictionaries({"items": inner}, optional={"minItems": count, "maxItems": st.integers(3, 5)}),
        ),
        joined(
            "array",
            st.fixed_dictionaries(
                {"prefixItems": st.lists(inner, min_size=1, max_size=3)}, optional={"items": inner | st.just(False)}
            ),
        ),
        joined("object", properties.flatmap(_object)),
        joined(
            "object",
            st.fixed_dictionaries(
                {"additionalProperties": inner},
                optional={"maxProperties": st.integers(1, 3), "minProperties": st.just(1)},
            ),
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
    )


def _object(properties):
    names = st.lists(st.sampled_from(sorted(properties) or ["z"]) | NAMES, max_size=3, unique=True)
    return st.fixed_dictionaries(
        {"properties": st.just(properties)},
        optional={"required": names, "additionalProperties": st.sampled_from([True, False, {"type": "integer"}])},
    )


ROOT = st.tuples(schemas(), schemas(1)).map(
    lambda pair: {
        "properties": {"value": pair[0]},
        "required": ["value"],
        "$defs": {"node": {"properties": {"v": pair[1], "next": {"$ref": "#/$defs/node"}}}},
    }
)


@settings(max_examples=100, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(schema=ROOT, seed=st.integers(0, 10**6))
def test_every_output_of_a_random_schema_validates(schema, seed):
    checks = Checks()
    rule = compile_schema(schema, "f", checks, Values())
    if rule is None:
        with pytest.raises(InvalidArgumentError):
            checks.done()
        return
    source = write(rule)
    for walked in range(4):
        if (text := walk(source, seed + walked)) is not None:
            jsonschema.validate(
                strict_json.loads(text),
                schema,
                jsonschema.Draft202012Validator,
                format_checker=FORMATS,
            )


def grammar(**kind):
    """Make the grammar of a response format."""
    checks = Checks()
    made = read_response_format(generate_pb2.ResponseFormat(**kind), checks)
    checks.done()
    assert made is not None
    return made.source


def texts(source, count=25):
    found = [walk(source, seed) for seed in range(count)]
    return [text for text in found if text is not None]


def test_any_object_is_an_object():
    found = texts(grammar(json_object={}))
    assert len(found) > 5
    assert all(isinstance(strict_json.loads(text), dict) for text in found)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d{4}-\d\d-\d\d",
        "(a|b)*abb",
        "((a*)*)*b?",
        r"\w+@\w+\.(com|org)",
        "[^a-z]{3,5}",
        ".{0,6}",
        "yes|no|",
        r"[é-ü😀]+",
        "(ab|a)(bc|c)?",
        r"\S+\s\S+",
    ],
)
def test_every_output_of_a_regex_matches(pattern):
    found = texts(grammar(regex=pattern))
    assert found
    assert all(re.fullmatch(pattern, text) for text in found)


def test_every_output_of_a_choice_is_one_of_them():
    strings = [
        "yes",
        "yes, please",
        'a "quote"',
        "\\",
        "two\nlines",
        "é😀",
        "",
        "]",
        "a" * 50,
        "\x01\x7f",
        "<|eot_id|>",
        "\ud7ff",
    ]
    assert set(texts(grammar(choice={"strings": [*strings, "yes"]}), 150)) == set(strings)


def test_an_ebnf_grammar_is_followed():
    source = grammar(ebnf='root ::= item+\nitem ::= "- " [a-z ]+ "\\n"\n')
    assert all(re.fullmatch(r"(- [a-z ]+\n)+", text) for text in texts(source))


def test_the_largest_that_is_accepted_is_read_in_time():
    """Nothing that passes may take long; these are near the limits, each by another way."""
    wide = {"properties": {f"property {index}": {"type": "integer", "minimum": index} for index in range(100)}}
    for kind in (
        {"json_schema": json.dumps(wide)},
        {"json_schema": json.dumps({"enum": [f"{index} " + "x" * 50 for index in range(1000)]})},
        {"regex": "[a-z]{900}"},
        {"choice": {"strings": [f"{index} " + "x" * 50 for index in range(1024)]}},
        {"ebnf": "root ::= " + " | ".join(f'"{index}"' for index in range(4000))},
    ):
        walk(grammar(**kind), 0, most=3)


def wide(least):
    """A set of many characters, none next to another."""
    return "[" + "".join(chr(least + 2 * index) for index in range(3500)) + "]"


HEAVY = {
    "patterns": {"json_schema": {"properties": {f"{i}": {"pattern": f"(a?){{600}}{i}$"} for i in range(1500)}}},
    "options": {"json_schema": {"anyOf": [{"pattern": f"((a|b|c)*d){{40}}{i}"} for i in range(1500)]}},
    "arrays": {"json_schema": {"prefixItems": [{"maxItems": 2000}] * 3000}},
    "objects": {"json_schema": {"prefixItems": [{"maxProperties": 2000}] * 2500}},
    "keys": {"json_schema": {"additionalProperties": {}, "properties": {f"{i}" * 20: {} for i in range(500)}}},
    "paths": {"json_schema": {"properties": {"a" * 20_000: {"properties": {f"{i}": {} for i in range(3000)}}}}},
    "lengths": {"json_schema": {"prefixItems": [{"maxLength": 1000 + i} for i in range(20)]}},
    "minimums": {"json_schema": {"prefixItems": [{"minLength": i, "maxLength": 64} for i in range(64)]}},
    "set": {"regex": wide(0x4E00) + "{1000}"},
    "optional set": {"regex": f"({wide(0x4E00)}?){{300}}"},
    "dots": {"regex": ".{900}"},
    "grammar of anything": {"ebnf": 'root ::= [^a]{0,1000} "a"'},
    "long repetition": {"ebnf": "root ::= (" + '"a" ' * 900 + "){1000}"},
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", HEAVY)
def test_what_would_take_long_is_refused_soon(name):
    """Read, or compiled with a large vocabulary, each would take from seconds to minutes."""
    ((kind, value),) = HEAVY[name].items()
    checks = Checks()
    wanted = generate_pb2.ResponseFormat(**{kind: value if isinstance(value, str) else json.dumps(value)})
    assert read_response_format(wanted, checks) is None
    with pytest.raises(InvalidArgumentError) as caught:
        checks.done()
    assert "too complex" in caught.value.violations[0].description
    assert len(caught.value.violations) < 5


@pytest.mark.parametrize(
    "schema",
    [
        {"maxLength": 60},
        {"maxLength": 129},
        {"maxLength": 1000},
        {"minLength": 150},
        {"minLength": 70, "maxLength": 300},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("length", [0, 1, 30, 55])
def test_the_mask_allows_what_may_come_and_nothing_else(schema, length):
    assert misjudged(grammar(json_schema=json.dumps(schema)), '"' + "x" * length) == []


def test_strings_of_many_lengths_end_in_the_same_rules():
    one = grammar(json_schema=json.dumps({"maxLength": 60}))
    many = grammar(json_schema=json.dumps({"prefixItems": [{"maxLength": 41 + i} for i in range(20)]}))
    assert many.count("\n") < one.count("\n") + 70


@pytest.mark.parametrize(
    ("kind", "field", "what"),
    [
        ({}, "response_format", "is empty"),
        ({"json_schema": "{"}, "response_format.json_schema", "is no JSON"),
        ({"json_schema": ""}, "response_format.json_schema", "is no JSON"),
        ({"json_schema": '{"enum": [NaN]}'}, "response_format.json_schema", "is no JSON"),
        ({"json_schema": '{"enum": ["\\ud800"]}'}, "response_format.json_schema", "is no JSON"),
        ({"json_schema": '{"items": ' * 33 + "{}" + "}" * 33}, "response_format.json_schema", "32 levels"),
        ({"json_schema": " " * 65537}, "response_format.json_schema", "longer"),
        ({"json_schema": '{"not": {}}'}, "response_format.json_schema", "/not: can't be enforced"),
        ({"regex": "(?=a)"}, "response_format.regex", "lookaround"),
        ({"regex": "[^\\x01-\\U0010ffff]"}, "response_format.regex", "no character"),
        ({"ebnf": 'root ::= root "a" | "b"'}, "response_format.ebnf", "begins with itself"),
        ({"ebnf": ""}, "response_format.ebnf", "no rule root"),
        ({"choice": {}}, "response_format.choice.strings", "0 are not in"),
        ({"choice": {"strings": ["a"] * 1025}}, "response_format.choice.strings", "1025 are not in"),
        ({"choice": {"strings": ["a" * 65537]}}, "response_format.choice.strings", "longer"),
        ({"choice": {"strings": ["a", "b\0"]}}, "response_format.choice.strings[1]", "NUL"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_format_is_refused_by_name(kind, field, what):
    checks = Checks()
    assert read_response_format(generate_pb2.ResponseFormat(**kind), checks) is None
    with pytest.raises(InvalidArgumentError) as caught:
        checks.done()
    assert [violation.field for violation in caught.value.violations] == [field]
    assert what in caught.value.violations[0].description
