"""From a response format to the grammar that an answer is held to: checked. Pure."""

from __future__ import annotations

from collections.abc import Callable

from backends.types import Grammar
from llama import strict_json
from paddock.v1 import generate_pb2
from services.checks import Checks
from services.grammar import automaton, ebnf, json_value, regex
from services.grammar.rule import GrammarError, Rule, Work, write
from services.schema import compile_schema

_MAX_SCHEMA = 64 * 1024
_MAX_CHOICES = 1024
_MAX_CHOICE_BYTES = 64 * 1024


def read_response_format(message: generate_pb2.ResponseFormat, checks: Checks) -> Grammar | None:
    """Make the grammar that a response format asks for; None, and a note, where that can't be done."""
    kind = message.WhichOneof("kind")
    if kind is None:
        checks.require(False, "response_format", "is empty: set json_object, json_schema, regex, ebnf or choice")
        return None
    field = f"response_format.{kind}"
    try:
        if kind == "json_schema":
            rule = _schema(message.json_schema, field, checks)
        elif kind == "choice":
            rule = _choice(list(message.choice.strings), field, checks)
        else:
            rule = _READERS[kind](message)
        return None if rule is None else Grammar(write(rule))
    except GrammarError as error:
        checks.require(False, field, str(error))
        return None


_READERS: dict[str, Callable[[generate_pb2.ResponseFormat], Rule]] = {
    "json_object": lambda message: json_value.Values().object,
    "regex": lambda message: _regex(message.regex),
    "ebnf": lambda message: ebnf.read(message.ebnf),
}


def _regex(pattern: str) -> Rule:
    work = Work()
    return automaton.rules(automaton.determinize(regex.read(pattern), work), automaton.plain, "", work)


def _schema(text: str, field: str, checks: Checks) -> Rule | None:
    if not checks.require(len(text) <= _MAX_SCHEMA, field, f"is longer than {_MAX_SCHEMA} characters"):
        return None
    try:
        schema = strict_json.loads(text)
    except ValueError:
        checks.require(False, field, f"is no JSON of at most {strict_json.MAX_DEPTH} levels")
        return None
    return compile_schema(schema, field, checks, json_value.Values())


def _choice(strings: list[str], field: str, checks: Checks) -> Rule | None:
    size, count = sum(len(string.encode()) for string in strings), len(strings)
    fits = checks.require(1 <= count <= _MAX_CHOICES, f"{field}.strings", f"{count} are not in [1, {_MAX_CHOICES}]")
    fits &= checks.require(size <= _MAX_CHOICE_BYTES, f"{field}.strings", f"are longer than {_MAX_CHOICE_BYTES} bytes")
    for index, string in enumerate(strings[:_MAX_CHOICES]):
        fits &= checks.require("\0" not in string, f"{field}.strings[{index}]", "holds NUL")
    return Rule(*((string,) for string in dict.fromkeys(strings))) if fits else None
