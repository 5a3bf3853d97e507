"""Grammars in EBNF mean what they say, or are refused."""

from __future__ import annotations

import re

import pytest

from services.grammar import ebnf
from services.grammar.rule import GrammarError, write
from tests.unit.services.grammar.follow import matches

CASES = [
    ('root ::= "a"', ["a"], ["", "b", "aa"]),
    ('root ::= ""', [""], ["a"]),
    ('root ::= "a" | "b" "c"', ["a", "bc"], ["b", "ac", "abc"]),
    ('root ::= ("a" | "b")* "c"', ["c", "abac"], ["ab", "cc"]),
    (
        'root ::= "a"+ "b"? "c"{2} "d"{1,} [e-g]{0,2}',
        ["acccd"[1:] and "aaccd", "abccdd", "accdeg"],
        ["ccd", "acd", "accdefg"],
    ),
    ('root ::= x y\nx ::= "1" |\n  "2"\n\n# words\ny ::= x # more\n', ["11", "12", "21"], ["1", "112"]),
    ('root ::= [^"\\\\\\n]+', ["aé😀"], ['a"', "a\\", "a\nb", ""]),
    ("root ::= [\\]\\-\\^a-c]", ["]", "-", "^", "b"], ["\\", "d"]),
    ('root ::= "\\x41\\u0042\\U00000043\\n\\"\\\\"', ['ABC\n"\\'], ["ABC"]),
    ('root ::= "a" root "b" | "a" "b"', ["ab", "aaabbb"], ["aab", "abb", ""]),
    ('root ::= value\nvalue ::= "[" (value ("," value)*)? "]"', ["[]", "[[],[[]]]"], ["[", "[,]", "[[]"]),
    ('my-rule_1 ::= "x"\nroot ::= my-rule_1{2}', ["xx"], ["x"]),
    ('root ::= "a" x | "b"\nx ::= "c" x', ["b"], ["ac", "a"]),
]


@pytest.mark.parametrize(("source", "texts", "others"), CASES)
def test_matches_what_it_says(source, texts, others):
    rule = ebnf.read(source)
    write(rule)
    assert [text for text in texts if not matches(rule, text)] == []
    assert [text for text in others if matches(rule, text)] == []


REFUSED = [
    ("", "no rule root"),
    ("a", "no rule"),
    ('main ::= "a"', "no rule root"),
    ("root ::= x", "doesn't define"),
    ('root ::= "a"\nroot ::= "b"', "twice"),
    ("root ::=", "empty choice"),
    ('root ::= "a" |', "empty choice"),
    ('root ::= ("a"', "isn't closed"),
    ('root ::= "a', "isn't closed"),
    ("root ::= [a", "isn't closed"),
    ('root ::= "a\n"', "isn't closed"),
    ("root ::= []", "no character"),
    ("root ::= [z-a]", "range"),
    ('root ::= "\\q"', "escape"),
    ('root ::= "\\x4"', "hexadecimal"),
    ('root ::= "\\ud800"', "surrogate"),
    ('root ::= "\\x00"', "NUL"),
    ('root ::= "a"{2', "count"),
    ('root ::= "a"{3,1}', "order"),
    ('root ::= "a"{1001}', "1000"),
    ('root ::= "a" )', "no rule"),
    ('root ::= "a"**', "neither"),
    ("root ::= 'a'", "neither"),
    ('root ::= (=  "a")', "neither"),
    ('root ::= root "a" | "b"', "begins with itself"),
    ("root ::= root", "finite"),
    ('root ::= x\nx ::= "" root | "a"', "begins with itself"),
    ('root ::= a b\na ::= ""\nb ::= a root | "c"', "begins with itself"),
    ('root ::= ("a"*)*', "repeats what may be empty"),
    ('root ::= ("a"?)+', "repeats what may be empty"),
    ('root ::= "a" root', "finite"),
    ('root ::= "a"{1000} x\nx ::= (("a"{1,100}){1,100}){1,100}', "complex"),
    ("root ::= " + "(" * 65, "deep"),
    ("root ::= " + "(" * 60_000, "deep"),
    ("root ::= " + '"a" | ' * 20_000, "longer"),
    ("root ::= " + " ".join(["x{1,1000}"] * 9) + '\nx ::= "a"', "complex"),
]


@pytest.mark.parametrize(("source", "what"), REFUSED)
def test_what_can_not_be_followed_is_refused(source, what):
    with pytest.raises(GrammarError, match=re.escape(what)):
        write(ebnf.read(source))


def test_very_long_chains_of_rules_cost_no_stack():
    chain = "\n".join(f"r{i} ::= r{i + 1}" for i in range(3500))
    assert matches_start(write(ebnf.read(f'root ::= r0\n{chain}\nr3500 ::= "a"')))


def matches_start(text: str) -> bool:
    return text.startswith("root ::= ")
