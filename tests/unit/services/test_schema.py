"""What a schema accepts is what its grammar yields; what can't be enforced is refused by the path of its keyword."""

from __future__ import annotations

import json

import pytest

from services.checks import Checks
from services.errors import InvalidArgumentError
from services.grammar import json_value
from services.grammar.json_value import Values
from services.grammar.rule import Work, write
from services.schema import compile_schema
from tests.unit.services.grammar.follow import matches

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "null"}},
    },
    "required": ["age"],
}


def rule_of(schema):
    checks = Checks()
    rule = compile_schema(schema, "f", checks, Values())
    checks.done()
    assert rule is not None
    return rule


CASES = [
    (
        PERSON,
        ['{"age": 3}', '{"name": "a", "age": 3}', '{"name": "", "age": -3, "tags": [null, null]}'],
        [
            "{}",
            '{"age": 3, "name": "a"}',
            '{"age":3}',
            '{"age": 3, "x": 1}',
            '{"age": 3.5}',
            ' {"age": 3}',
            '{"age": 3,}',
            '{"name": "a"}',
        ],
    ),
    ({"type": "object"}, ["{}", '{"a": [{"b": null}], "a": 1.5e3}'], ["[]", "{", '{"a"}', "{a: 1}"]),
    ({"type": "object", "properties": {}}, ["{}"], ['{"a": 1}']),
    (
        {"properties": {"a": {"const": 1}}, "additionalProperties": {"type": "boolean"}},
        ["{}", '{"a": 1}', '{"a": 1, "b": true}', '{"aa": true}', '{"": false, "\\"": true}'],
        [
            '{"b": 1}',
            '{"a": true}',
            '{"b": true, "a": true}',
            '{"a": 1, "a": true}',
            '{"\\u0061": true}',
            '{"b": true, "a": 1}',
        ],
    ),
    (
        {"type": "object", "required": ["a/b"], "additionalProperties": {"type": "null"}},
        ['{"a/b": null}', '{"a/b": null, "c": null}'],
        ["{}", '{"c": null}'],
    ),
    (
        {"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "null"}},
        ['{"a": null}', '{"a": null, "b": null}'],
        ["{}", '{"a": null, "b": null, "c": null}'],
    ),
    (
        {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "minProperties": 1},
        ['{"a": null}', '{"b": null}'],
        ["{}"],
    ),
    (
        {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
        ["[1, 2]", "[1, 2, 3]"],
        ["[]", "[1]", "[1, 2, 3, 4]", "[1,2]"],
    ),
    (
        {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}]},
        ["[]", "[null]", "[null, true]"],
        ["[true]", "[null, true, 1]"],
    ),
    (
        {"prefixItems": [{"type": "null"}], "items": {"type": "boolean"}, "minItems": 1},
        ["[null]", "[null, true, false]"],
        ["[]", "[true]"],
    ),
    ({"type": "array", "maxItems": 0}, ["[]"], ["[1]"]),
    (
        {"type": "array", "prefixItems": [True, True, True], "minItems": 1, "maxItems": 2},
        ["[1]", "[1, 2]"],
        ["[]", "[1, 2, 3]"],
    ),
    (
        {"type": "string", "minLength": 2, "maxLength": 3},
        ['"ab"', '"é😀x"', '"\\n\\""'],
        ['"a"', '"abcd"', '"a\n"', '"a\\u0062c"', '"\\ud83d\\ude00"'],
    ),
    ({"type": "string", "maxLength": 70}, ['""', f'"{"é" * 70}"'], [f'"{"a" * 71}"', '"\\n"']),
    (
        {"type": "string"},
        ['"\\\\ \\b\\f\\r\\t\\u0001\\u001f/"', '"\x7f\u2028"'],
        ['"\\/"', '"\\ud800"', '"\t"', '"\\u000a"', '"\\u0000"', '"'],
    ),
    ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 2}, ['"a"', '"ab"'], ['""', '"abc"', '"A"']),
    ({"pattern": 'a"'}, ['"xa\\"y"'], ['"a"', '"xa"y"']),
    (
        {"type": "string", "format": "date"},
        ['"2024-02-29"', '"2023-12-31"'],
        ['"2023-02-29"', '"1900-02-29"', '"2023-13-01"', '"0000-01-01"', '"2023-1-1"'],
    ),
    (
        {"type": "string", "format": "date-time"},
        ['"2024-02-29T23:59:59.5Z"', '"2024-01-01T00:00:00+05:30"'],
        ['"2024-01-01T24:00:00Z"', '"2024-01-01"'],
    ),
    ({"type": "string", "format": "uuid"}, ['"123e4567-e89b-12d3-a456-426614174000"'], ['"123e4567"']),
    ({"type": "string", "format": "ipv4"}, ['"0.0.0.0"', '"255.1.20.99"'], ['"256.0.0.1"', '"01.0.0.0"']),
    ({"type": "string", "format": "email"}, ['"a.b@example.com"'], ['"a@b"', '"@b.c"', '"a..b@c.d"']),
    ({"type": "integer", "minimum": 0}, ["0", "17"], ["-1", "1.0", "007", "1e3"]),
    (
        {"type": "integer", "exclusiveMinimum": 0, "minimum": -5, "maximum": 12, "exclusiveMaximum": 12},
        ["1", "11"],
        ["0", "12", "-5"],
    ),
    ({"minimum": 0.5, "exclusiveMaximum": 2}, ["0.5", "1.999999", "1"], ["0.4", "2", "2.0", "0"]),
    ({"type": "number"}, ["1", "-1.5e-7"], ["1.", "NaN", "1e999"]),
    ({"type": ["integer", "null"], "maximum": 3}, ["3", "null"], ["4", '"3"']),
    ({"type": "boolean"}, ["true", "false"], ["True", "0"]),
    ({"const": {"b": [1, "é\n"], "a": None}}, ['{"b": [1, "é\\n"], "a": null}'], ['{"a": null, "b": [1, "é\\n"]}']),
    ({"enum": ["a", 1, 1.5, True, None, []]}, ['"a"', "1", "1.5", "true", "null", "[]"], ["a", "2"]),
    ({"enum": ["a", 1, True, 2.0], "type": ["integer", "boolean"]}, ["1", "true", "2.0"], ['"a"']),
    ({"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T", "default": None}, ['"a"', "null"], ["1"]),
    ({"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"type": "null"}}}, ["null"], ["1"]),
    (  # a reference is a URI's fragment, percent-encoded
        {
            "anyOf": [{"$ref": "#/$defs/a%20b%7e1"}, {"$ref": "#/$defs/a%2520b"}],
            "$defs": {"a b/": {"type": "null"}, "a%20b/": True, "a%20b": {"type": "boolean"}},
        },
        ["null", "true"],
        ["1"],
    ),
    (
        {
            "properties": {"a%20b": {"type": "null"}, "a b": {"type": "boolean"}, "c": {"$ref": "#/properties/a%20b"}},
            "required": ["c"],
        },
        ['{"a%20b": null, "c": true}'],
        ['{"c": null}'],
    ),
    ({"type": "integer", "format": "date"}, ["1"], ['"2024-01-01"']),
    (
        {
            "$ref": "#/definitions/node",
            "definitions": {"node": {"properties": {"next": {"$ref": "#/definitions/node"}}}},
        },
        ["{}", '{"next": {"next": {}}}'],
        ['{"next": null}'],
    ),
    ({"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}}]}, ["null", "[]", "[[null], null]"], ["1"]),
    (
        {
            "oneOf": [{"properties": {"k": {"const": "a"}}, "required": ["k"]}, {"$ref": "#/$defs/b"}],
            "$defs": {
                "b": {
                    "type": "object",
                    "properties": {"k": {"enum": ["b", "c"]}, "n": {"type": "integer"}},
                    "required": ["k"],
                }
            },
            "discriminator": {"propertyName": "k"},
        },
        ['{"k": "a"}', '{"k": "c", "n": 1}'],
        ['{"k": "a", "n": 1}', '{"k": "d"}'],
    ),
    ({"oneOf": [{"type": "integer"}, {"type": ["string", "null"]}]}, ["1", '"a"', "null"], ["1.5"]),
    (
        {
            "anyOf": [{"$ref": "#/$defs/endless"}, {"type": "null"}],
            "$defs": {"endless": {"properties": {"x": {"$ref": "#/$defs/endless"}}, "required": ["x"]}},
        },
        ["null"],
        ['{"x": null}'],
    ),
    (True, ["1", "{}", '"a"'], ["", "x"]),
    ({}, ["1", "[[], {}]"], ["[1,2]"]),
    (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "description": "d", "type": "null"},
        ["null"],
        ["1"],
    ),
    (
        {"type": "object", "properties": {"type": {"type": "string"}, "$ref": {"type": "null"}, "enum": {"const": 1}}},
        ['{"type": "a", "$ref": null, "enum": 1}'],
        [],
    ),
]


@pytest.mark.parametrize(("schema", "texts", "others"), CASES, ids=lambda value: json.dumps(value)[:60])
def test_accepts_what_it_should(schema, texts, others):
    rule = rule_of(schema)
    assert write(rule).startswith("root ::= ")
    assert [text for text in texts if not matches(rule, text)] == []
    assert [text for text in others if matches(rule, text)] == []


REFUSED = [
    ({"properties": {"age": {"multipleOf": 2}}}, "/properties/age/multipleOf: can't be enforced"),
    ({"items": {"uniqueItems": True}}, "/items/uniqueItems: can't be enforced"),
    ({"properties": {"a/b": {"not": {}}}}, "/properties/a~1b/not: can't be enforced"),
    *(
        ({keyword: {}}, f"/{keyword}: can't be enforced")
        for keyword in (
            "not",
            "if",
            "then",
            "else",
            "contains",
            "propertyNames",
            "patternProperties",
            "dependentRequired",
            "dependentSchemas",
            "unevaluatedProperties",
            "unevaluatedItems",
            "$dynamicRef",
            "$anchor",
            "propertis",
            "nullable",
            "contentMediaType",
        )
    ),
    ({"type": "object", "anyOf": [True]}, "/type: can't be enforced beside anyOf"),
    ({"enum": [1], "minimum": 1}, "/minimum: can't be enforced beside enum"),
    ({"$ref": "#/$defs/a", "minLength": 1, "$defs": {"a": True}}, "/minLength: can't be enforced beside $ref"),
    ({"allOf": [True, True]}, "/allOf: can't be enforced with more than one schema"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "/oneOf: can't be enforced where two could hold"),
    ({"oneOf": [{"const": "a"}, {}]}, "/oneOf: can't be enforced where two could hold"),
    (
        {"oneOf": [{"properties": {"k": {"const": "a"}}}, {"properties": {"k": {"const": "b"}}}]},
        "/oneOf: can't be enforced where",
    ),
    ({"oneOf": [{"enum": [1]}, {"enum": [1.0]}]}, "/oneOf: can't be enforced where"),
    ({"oneOf": [{"type": "null"}, *({"const": str(i)} for i in range(300))]}, "/oneOf: can't be enforced for more"),
    ({"anyOf": []}, "/anyOf: is no array"),
    ({"enum": []}, "/enum: is no array"),
    ({"enum": "a"}, "/enum: is no array"),
    ({"enum": ["a"], "type": "integer"}, "/enum: has no value of the type"),
    ({"const": True, "type": "integer"}, "/const: has no value"),
    ({"type": "text"}, "/type: is none"),
    ({"type": []}, "/type: is none"),
    ({"type": [1]}, "/type: is none"),
    ({"type": None}, "/type: is none"),
    ({"$ref": "#/$defs/x"}, "/$ref: refers to nothing"),
    ({"$ref": "other.json"}, "/$ref: is no reference within"),
    ({"$ref": 1}, "/$ref: is no"),
    ({"$ref": "#/$defs/9999999", "$defs": []}, "/$ref: refers to nothing"),
    ({"anyOf": [{"$ref": "#/anyOf/" + "1" * 5000}]}, "/anyOf/0/$ref: refers to nothing"),
    ({"anyOf": [{"$ref": "#/anyOf/01"}, {"type": "null"}]}, "/anyOf/0/$ref: refers to nothing"),
    ({"$ref": "#"}, "matches no finite text"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "matches no"),
    ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "begins with itself"),
    ({"properties": {"n": {"$ref": "#"}}, "required": ["n"]}, "matches no finite text"),
    ({"properties": {"a": {"$id": "x"}}}, "/properties/a/$id: can only stand at the root"),
    (False, "/: allows nothing"),
    ([], "/: is no schema"),
    ("a", "/: is no schema"),
    (None, "/: is no schema"),
    ({"items": 3}, "/items: is no schema"),
    ({"items": [True]}, "/items: is no schema"),
    ({"prefixItems": {}}, "/prefixItems: is no array"),
    ({"properties": []}, "/properties: is no object"),
    ({"required": "a"}, "/required: is no array"),
    ({"required": [1]}, "/required: is no array"),
    (
        {"required": ["b"], "properties": {}, "additionalProperties": False},
        "/required: has a name that additionalProperties excludes",
    ),
    ({"minLength": -1}, "/minLength: is no count"),
    ({"minLength": True}, "/minLength: is no count"),
    ({"minLength": 1.5}, "/minLength: is no count"),
    ({"maxLength": 10**9}, "/maxLength: is above"),
    ({"minItems": 10**400}, "/minItems: is above"),
    ({"maxItems": 1e300}, "/maxItems: is above"),
    ({"minLength": 3, "maxLength": 2}, "/maxLength: is below minLength"),
    ({"minItems": 3, "maxItems": 2}, "/maxItems: is below minItems"),
    ({"prefixItems": [True], "minItems": 2}, "/minItems: is more than there can be"),
    ({"minProperties": 2}, "/minProperties: can't be enforced above 1"),
    ({"minProperties": 1, "maxProperties": 0}, "/maxProperties: is below"),
    ({"required": ["a", "b"], "maxProperties": 1}, "/maxProperties: is below"),
    ({"properties": {"a": True, "b": True}, "maxProperties": 1}, "/maxProperties: can't be enforced beside properties"),
    ({"pattern": "a(?=b)"}, "/pattern: can't be followed: a group other than"),
    ({"pattern": 1}, "/pattern: is no regular"),
    ({"pattern": "^(ab)*$", "minLength": 3, "maxLength": 3}, "matches no finite text"),
    ({"format": "iri"}, "/format: can't be enforced; what can: date"),
    ({"type": "integer", "format": "int32"}, "/format: can't be enforced; what can: date"),
    ({"format": ["date"]}, "/format: can't be enforced; what can: date"),
    ({"format": "date", "pattern": "a"}, "/format: can't be enforced beside pattern"),
    ({"minimum": "1"}, "/minimum: is no number"),
    ({"maximum": True}, "/maximum: is no number"),
    ({"minimum": 2, "maximum": 1}, "/minimum: leaves no number"),
    ({"type": "integer", "minimum": 0.2, "maximum": 0.8}, "/minimum: leaves no number"),
    ({"minimum": 0.30000000000000004}, "/minimum: can't be enforced: a bound of more than 15"),
    ({"enum": ["a" * 70, "b"], "maxLength": 3}, "/maxLength: can't be enforced beside enum"),
    ({"properties": {str(i): {"maxLength": 60 + i % 4, "minLength": i % 50} for i in range(200)}}, "is too complex"),
    ({"minItems": 2000, "items": {"minItems": 2000, "items": {"minItems": 2000}}}, "is too complex"),
]


@pytest.mark.parametrize(("schema", "description"), REFUSED, ids=lambda value: json.dumps(value)[:60])
def test_what_can_not_be_enforced_is_refused_by_path(schema, description):
    checks = Checks()
    assert compile_schema(schema, "tool", checks, Values()) is None
    with pytest.raises(InvalidArgumentError) as caught:
        checks.done()
    assert [violation.field for violation in caught.value.violations] == ["tool"]
    assert caught.value.violations[0].description.startswith(description) or description in str(caught.value)


def test_all_that_is_wrong_is_told_at_once():
    checks = Checks()
    compile_schema(
        {"properties": {"a": {"not": {}}, "b": {"multipleOf": 1}, "c": {"type": "null"}}}, "f", checks, Values()
    )
    with pytest.raises(InvalidArgumentError) as caught:
        checks.done()
    assert {violation.description.split(":")[0] for violation in caught.value.violations} == {
        "/properties/a/not",
        "/properties/b/multipleOf",
    }


def test_depth_costs_no_stack():
    schema: dict[str, object] = {"type": "null"}
    for _ in range(700):
        schema = {"type": "array", "items": schema}
    assert compile_schema(schema, "f", Checks(), Values()) is not None


def test_a_long_path_is_cut():
    checks = Checks()
    compile_schema({"properties": {"x" * 5000: {"not": {}}}}, "f", checks, Values())
    with pytest.raises(InvalidArgumentError) as caught:
        checks.done()
    assert len(str(caught.value)) < 1000


def test_many_schemas_that_one_constant_tells_apart():
    kinds = [{"properties": {"kind": {"const": str(i)}}, "required": ["kind"]} for i in range(300)]
    assert compile_schema({"oneOf": kinds}, "f", Checks(), Values()) is not None


@pytest.mark.parametrize("part", ['{"items": true, "maxItems": 1%03d}', '{"pattern": "^(a|b)*a(a|b){7}%03d$"}'])
def test_a_schema_that_is_too_complex_is_given_up_early(monkeypatch, part):
    made = []
    for name in ("array", "text"):
        make = getattr(json_value, name)
        monkeypatch.setattr(json_value, name, lambda *given, make=make: made.append(1) or make(*given))
    checks = Checks()
    parts = [json.loads(part % i) for i in range(100)]
    assert compile_schema({"prefixItems": parts}, "f", checks, Values()) is None
    with pytest.raises(InvalidArgumentError, match="is too complex"):
        checks.done()
    assert len(made) < 60


def test_a_schema_for_which_no_work_is_left_is_given_up():
    checks, values = Checks(), Values()
    values.work = Work(0)
    assert compile_schema({"type": "null"}, "f", checks, values) is None
    with pytest.raises(InvalidArgumentError, match="takes too long to read"):
        checks.done()
