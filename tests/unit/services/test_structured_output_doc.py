"""docs/structured-output.md lists every keyword, and its examples are forms."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from paddock.v1 import generate_pb2
from services.checks import Checks
from services.errors import InvalidArgumentError
from services.grammar.format_pattern import PATTERNS
from services.response_format import read_response_format
from services.schema import KEYWORDS

PAGE = (Path(__file__).parents[3] / "docs" / "structured-output.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^\| `(\w+)` \|.*\| `Format\((.*)\)` \|$", PAGE, re.MULTILINE))
KINDS = [field.name for field in generate_pb2.ResponseFormat.DESCRIPTOR.oneofs_by_name["kind"].fields]


def rows(heading):
    """The table with a heading in its first column."""
    table = next(block for block in PAGE.split("\n\n") if block.startswith(f"| {heading} |"))
    return [line.split(" | ") for line in table.splitlines()[2:]]


def test_every_keyword_is_in_the_table():
    named = [name for row in rows("keyword") for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(named) == sorted(KEYWORDS)


def test_every_format_is_in_the_table():
    (row,) = (row for row in rows("keyword") if row[0] == "| `format`")
    assert set(re.findall(r"`([^`]+)`", row[1])) - {"pattern"} == PATTERNS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_example(kind):
    ((name, value),) = ((word.arg, word.value) for word in ast.parse(f"f({EXAMPLES[kind]})", mode="eval").body.keywords)
    checks = Checks()
    assert name == kind
    assert read_response_format(generate_pb2.ResponseFormat(**{kind: ast.literal_eval(value)}), checks) is not None


def test_the_refusal_is_the_one_that_is_shown():
    checks = Checks()
    wanted = generate_pb2.ResponseFormat(json_schema='{"properties": {"age": {"multipleOf": 2}}}')
    assert read_response_format(wanted, checks) is None
    with pytest.raises(InvalidArgumentError) as caught:
        checks.done()
    (violation,) = caught.value.violations
    assert f"```text\n{violation.field}: {violation.description}\n```" in PAGE
