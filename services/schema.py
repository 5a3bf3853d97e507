"""JSON schemas as grammars: what can't be enforced is refused, by the path of its keyword. Pure.

The dialect is JSON Schema 2020-12. What a schema leaves open is narrowed where that helps a model, never widened:
objects with `properties` hold no others unless `additionalProperties` says so, properties come in the order of the
schema, and a keyword that speaks of one type means that type where there is no `type`. The table is in
docs/structured-output.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn
from urllib.parse import unquote

from services.checks import Checks
from services.grammar import json_value, scalar
from services.grammar.format_pattern import PATTERNS
from services.grammar.rule import MAX_RULES, GrammarError, Rule, write
from services.grammar.scalar import KeywordError

ANNOTATIONS = frozenset(
    ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id",
     "$defs", "definitions", "discriminator")
)  # fmt: skip
"""Say nothing about what is valid, and pass. `$id` can only stand at the root, where it moves no reference."""
ALONE = ("$ref", "const", "enum", "anyOf", "oneOf", "allOf")
"""Say what is valid by themselves: nothing but `type` beside `const` and `enum` may say more."""
BY_TYPE = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "boolean": (),
    "null": (),
}
KEYWORDS = ANNOTATIONS.union(("type",), ALONE, *BY_TYPE.values())
_MAX_REFERENCES = 64
_MAX_COMPARED = 256
_MAX_PATH = 200
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")
"""Of an array, as RFC 6901 writes it; a schema is too short for more digits."""


class _Refused(Exception):  # noqa: N818 - caught where it was noted
    """A part of a schema can't be enforced; the violation is noted."""


def compile_schema(schema: Any, field: str, checks: Checks, values: json_value.Values) -> Rule | None:
    """Make the rule of the JSON texts that a schema asks for; None, and a note, where that can't be done.

    Args:
        schema: as read from JSON by `llama.strict_json`.
        field: of the request, for violations; they name the keyword by its JSON pointer (RFC 6901).
        values: what schemas that become one grammar share.
    """
    compiler = _Compiler(schema, field, checks, values)
    try:
        rule = compiler.root()
        write(rule)
    except _Refused:
        return None
    except GrammarError as error:
        checks.require(False, field, str(error))
        return None
    return rule


class _Compiler:
    def __init__(self, root: Any, field: str, checks: Checks, values: json_value.Values) -> None:
        self._root, self._field, self._checks = root, field, checks
        self._values, self._work = values, values.work
        self._made: dict[str, Rule] = {}
        self._pending: list[tuple[Rule, Any, str]] = []
        self._shared: dict[object, Rule] = {}

    def root(self) -> Rule:
        """Compile everything, part by part, so that depth costs no stack."""
        root, refused = self._part(self._root, ""), False
        while self._pending:
            rule, schema, path = self._pending.pop()
            self._work.spend(1)
            try:
                rule.options += self._compile(schema, path).options
            except KeywordError as error:
                self._note(_join(path, error.keyword), str(error))
                refused = True
            except _Refused:
                refused = True
        if refused:
            raise _Refused
        return root

    def _part(self, schema: Any, path: str) -> Rule:
        """Give the rule of a part, to be compiled later; the same one each time."""
        if path not in self._made:
            self._work.spend(10 + len(path) // 50)
            if len(self._made) >= MAX_RULES:
                raise GrammarError(f"is too complex: it takes more than {MAX_RULES} rules")
            self._made[path] = Rule()
            self._pending.append((self._made[path], schema, path))
        return self._made[path]

    def _compile(self, schema: Any, path: str) -> Rule:
        if schema is True:
            return self._values.any
        if schema is False:
            self._refuse(path, "allows nothing")
        if not isinstance(schema, dict):
            self._refuse(path, "is no schema")
        self._check_keywords(schema, path)
        alone = [keyword for keyword in ALONE if keyword in schema]
        if alone:
            return self._alone(alone[0], schema, path)
        types = self._types(schema, path)
        if types is None:
            return self._values.any
        return Rule(*((self._typed(kind, schema, path),) for kind in types))

    def _check_keywords(self, schema: dict[str, Any], path: str) -> None:
        for keyword in schema:
            if keyword not in KEYWORDS:
                self._refuse(_join(path, keyword), "can't be enforced")
        if "$id" in schema and path:
            self._refuse(_join(path, "$id"), "can only stand at the root")
        alone = [keyword for keyword in ALONE if keyword in schema]
        if alone:
            beside = {alone[0], "type"} if alone[0] in ("const", "enum") else {alone[0]}
            for keyword in schema:
                if keyword not in ANNOTATIONS and keyword not in beside:
                    self._refuse(_join(path, keyword), f"can't be enforced beside {alone[0]}")
        # Of any type: int32 and its like, as OpenAPI has them, would be ignored where the type is a number.
        if "format" in schema and schema["format"] not in tuple(PATTERNS):
            self._refuse(_join(path, "format"), f"can't be enforced; what can: {', '.join(sorted(PATTERNS))}")

    def _alone(self, keyword: str, schema: dict[str, Any], path: str) -> Rule:
        value, path_here = schema[keyword], _join(path, keyword)
        if keyword == "$ref":
            return Rule((self._part(self._target(value, path_here), _join("", *_words(value))),))
        if keyword in ("const", "enum"):
            return self._constant([value] if keyword == "const" else value, schema, path, path_here)
        if not isinstance(value, list) or not value:
            self._refuse(path_here, "is no array of schemas")
        if keyword == "allOf" and len(value) > 1:
            self._refuse(path_here, "can't be enforced with more than one schema")
        if keyword == "oneOf":
            self._require_apart(value, path_here)
        return Rule(*((self._part(part, _join(path_here, index)),) for index, part in enumerate(value)))

    def _target(self, reference: Any, path: str) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            self._refuse(path, "is no reference within the schema: write #/$defs/name")
        schema, words = self._root, _words(reference)
        self._work.spend(len(words))
        for word in words:
            if isinstance(schema, dict) and word in schema:
                schema = schema[word]
            elif isinstance(schema, list) and _INDEX.fullmatch(word) and int(word) < len(schema):
                schema = schema[int(word)]
            else:
                self._refuse(path, "refers to nothing")
        return schema

    def _constant(self, values: Any, schema: dict[str, Any], path: str, path_here: str) -> Rule:
        if not isinstance(values, list) or not values:
            self._refuse(path_here, "is no array of values")
        types = self._types(schema, path)
        kept = [value for value in values if types is None or any(scalar.is_of_type(value, kind) for kind in types)]
        if not kept:
            self._refuse(path_here, "has no value of the type")
        self._work.spend(5 * len(kept))
        return Rule(*((json_value.literal(value),) for value in kept))

    def _require_apart(self, schemas: list[Any], path: str) -> None:
        """Refuse unless no value is valid by two schemas: they differ in type, or in a required constant."""
        marks = [self._marks(schema, path) for schema in schemas]
        if any(_all_apart([some[place] for some in marks]) for place in set(marks[0]).intersection(*marks[1:])):
            return
        if len(marks) > _MAX_COMPARED:
            self._refuse(path, f"can't be enforced for more than {_MAX_COMPARED} that no one const tells apart")
        for index, some in enumerate(marks):
            self._work.spend(3 * index)
            for other in marks[:index]:
                if not any(some[place].isdisjoint(other[place]) for place in some.keys() & other.keys()):
                    self._refuse(
                        path, "can't be enforced where two could hold: use anyOf, or tell them apart by a const"
                    )

    def _marks(self, schema: Any, path: str) -> dict[str, frozenset[object]]:
        """Tell what all values of a schema have: types, and constants by the name of a required property."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            schema = self._target(schema["$ref"], path)
        if not isinstance(schema, dict):
            return {}
        marks = dict[str, frozenset[object]]()
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            marks["type"] = frozenset("number" if kind == "integer" else str(kind) for kind in types)
        if (constants := _constants(schema)) is not None:
            marks["value"] = constants
        properties, required = schema.get("properties"), schema.get("required")
        if isinstance(properties, dict) and isinstance(required, list):
            for name in properties.keys() & {name for name in required if isinstance(name, str)}:
                if (constants := _constants(properties[name])) is not None:
                    marks[f"/{name}"] = constants
        return marks

    def _types(self, schema: dict[str, Any], path: str) -> list[str] | None:
        """Name the types that may be; None for all of them."""
        if "type" in schema:
            given = schema["type"]
            types = given if isinstance(given, list) else [given]
            if not types or not all(isinstance(kind, str) and kind in BY_TYPE for kind in types):
                self._refuse(_join(path, "type"), "is none of JSON's types")
            return list(dict.fromkeys(types))
        found = [kind for kind, keywords in BY_TYPE.items() if any(keyword in schema for keyword in keywords)]
        return [kind for kind in found if kind != "integer"] or None

    def _typed(self, kind: str, schema: dict[str, Any], path: str) -> Rule:
        if kind == "object":
            return self._object(schema, path)
        if kind == "array":
            return self._array(schema, path)
        if kind in ("boolean", "null"):
            return self._values.boolean if kind == "boolean" else self._values.null
        given = {keyword: schema[keyword] for keyword in BY_TYPE[kind] if keyword in schema}
        if not given:
            return {"string": self._values.text, "number": self._values.number, "integer": self._values.integer}[kind]
        make = (
            partial(scalar.string, given, self._values)
            if kind == "string"
            else partial(scalar.numeric, kind, given, self._work)
        )
        return self._share((kind, repr(given)), make)

    def _array(self, schema: dict[str, Any], path: str) -> Rule:
        if schema.get("uniqueItems", False) is not False:
            self._refuse(_join(path, "uniqueItems"), "can't be enforced")
        least = scalar.count(schema, "minItems") or 0
        most = scalar.count(schema, "maxItems")
        if most is not None and least > most:
            self._refuse(_join(path, "maxItems"), "is below minItems")
        first = schema.get("prefixItems", [])
        if not isinstance(first, list):
            self._refuse(_join(path, "prefixItems"), "is no array of schemas")
        items = [self._part(part, _join(path, "prefixItems", index)) for index, part in enumerate(first)]
        further = schema.get("items", not items)
        more = None if further is False else self._part(further, _join(path, "items"))
        if more is None:
            if least > len(items):
                self._refuse(_join(path, "minItems"), "is more than there can be")
            most = len(items) if most is None else min(most, len(items))
        return json_value.array(items, more, least, most, self._work)

    def _object(self, schema: dict[str, Any], path: str) -> Rule:
        properties, required = self._properties(schema, path)
        extra = schema.get("additionalProperties", "properties" not in schema)
        least = scalar.count(schema, "minProperties") or 0
        most = scalar.count(schema, "maxProperties")
        if most is not None and max(least, len(required)) > most:
            self._refuse(_join(path, "maxProperties"), "is below what there must be")
        if least > max(1, len(required)):
            self._refuse(_join(path, "minProperties"), "can't be enforced above 1 and the required ones")
        further = None
        if extra is not False:
            key = self._share(("key", *properties), lambda: json_value.text_but(properties, self._work))
            further = (key, ": ", self._part(extra, _join(path, "additionalProperties")))
        if most is not None and properties and (further or most < len(properties)):
            self._refuse(_join(path, "maxProperties"), "can't be enforced beside properties")
        parts = [((f"{json_value.literal(name)}: ", part), name in required) for name, part in properties.items()]
        return json_value.members(parts, further, least, most if further else None, self._work)

    def _properties(self, schema: dict[str, Any], path: str) -> tuple[dict[str, Rule], list[str]]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict):
            self._refuse(_join(path, "properties"), "is no object of schemas")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            self._refuse(_join(path, "required"), "is no array of names")
        parts = {name: self._part(part, _join(path, "properties", name)) for name, part in properties.items()}
        extra = schema.get("additionalProperties", True)
        for name in dict.fromkeys(required):
            if name not in parts and extra is False:
                self._refuse(_join(path, "required"), "has a name that additionalProperties excludes")
            if name not in parts:
                parts[name] = self._part(extra, _join(path, "additionalProperties"))
        return parts, list(dict.fromkeys(required))

    def _share(self, key: object, make: Callable[[], Rule]) -> Rule:
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def _refuse(self, path: str, reason: str) -> NoReturn:
        self._note(path, reason)
        raise _Refused

    def _note(self, path: str, reason: str) -> None:
        self._checks.require(False, self._field, f"{path[:_MAX_PATH] or '/'}: {reason}")


def _join(path: str, *words: object) -> str:
    """Extend a JSON pointer."""
    return path + "".join("/" + str(word).replace("~", "~0").replace("/", "~1") for word in words)


def _words(reference: str) -> list[str]:
    """Split a reference within the schema, a JSON pointer as a URI has it: percent-encoded (RFC 6901, section 6)."""
    return [unquote(word).replace("~1", "/").replace("~0", "~") for word in reference.split("/")[1:]]


def _all_apart(sets: list[frozenset[object]]) -> bool:
    return len(frozenset[object]().union(*sets)) == sum(map(len, sets))


def _constants(schema: Any) -> frozenset[object] | None:
    """Give the strings that are all that a schema allows, where it is so."""
    if not isinstance(schema, dict):
        return None
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return frozenset(values) if isinstance(values, list) and all(isinstance(v, str) for v in values) else None
