"""Strings and numbers as a JSON schema's keywords describe them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.grammar import automaton, json_value, number, regex
from services.grammar.format_pattern import PATTERNS
from services.grammar.rule import GrammarError, Rule, Work

MAX_COUNT = 2000
_MAX_LENGTH = 100_000
_NUMBER_COST = 300
_CLASSES: dict[str, Any] = {
    "number": (int, float),
    "string": str,
    "object": dict,
    "array": list,
    "null": type(None),
}


class KeywordError(GrammarError):
    """A keyword can't be enforced as it is given."""

    def __init__(self, keyword: str, reason: str) -> None:
        super().__init__(reason)
        self.keyword = keyword


def is_of_type(value: Any, kind: str) -> bool:
    """Tell whether a value is of a type of JSON Schema."""
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, _CLASSES[kind])


def count(schema: Mapping[str, Any], keyword: str, limit: int = MAX_COUNT) -> int | None:
    """Read a keyword that counts; None where it is absent."""
    if keyword not in schema:
        return None
    value: Any = schema[keyword]
    if not is_of_type(value, "integer") or value < 0:
        raise KeywordError(keyword, "is no count")
    if value > limit:
        raise KeywordError(keyword, f"is above {limit}")
    return int(value)


def string(schema: Mapping[str, Any], values: json_value.Values) -> Rule:
    """Make the rule of a string; its `format`, if any, is one of `PATTERNS`.

    Raises:
        KeywordError: a keyword can't be enforced.
    """
    least = count(schema, "minLength", _MAX_LENGTH) or 0
    most = count(schema, "maxLength", _MAX_LENGTH)
    if most is not None and least > most:
        raise KeywordError("maxLength", "is below minLength")
    if "pattern" in schema and "format" in schema:
        raise KeywordError("format", "can't be enforced beside pattern")
    if "pattern" in schema:
        if not isinstance(schema["pattern"], str):
            raise KeywordError("pattern", "is no regular expression")
        return _matching("pattern", schema["pattern"], least, most, values.work)
    if "format" in schema:
        return _matching("format", f"^(?:{PATTERNS[schema['format']]})$", least, most, values.work)
    return values.string(least, most)


def numeric(kind: str, schema: Mapping[str, Any], work: Work) -> Rule:
    """Make the rule of a number or an integer.

    Raises:
        KeywordError: a keyword can't be enforced.
    """
    values: dict[str, Decimal] = {}
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if keyword in schema:
            if not is_of_type(schema[keyword], "number"):
                raise KeywordError(keyword, "is no number")
            values[keyword] = Decimal(repr(schema[keyword]))
    least = [(values[k], k != "minimum") for k in ("minimum", "exclusiveMinimum") if k in values]
    most = [(-values[k], k != "maximum") for k in ("maximum", "exclusiveMaximum") if k in values]
    low, above = max(least, default=(None, False))
    high, below = max(most, default=(None, False))
    work.spend(_NUMBER_COST)
    bounds = number.Bounds(low, None if high is None else -high, above, below)
    try:
        return (number.integer if kind == "integer" else number.number)(bounds)
    except GrammarError as error:
        raise KeywordError(next(iter(values)), str(error)) from error


def _matching(keyword: str, pattern: str, least: int, most: int | None, work: Work) -> Rule:
    try:
        found = automaton.determinize(regex.read(pattern, search=True), work)
        return json_value.text(found.bounded(least, most, work) if least or most is not None else found, work)
    except GrammarError as error:
        raise KeywordError(keyword, str(error)) from error
