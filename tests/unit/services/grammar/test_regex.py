"""Regular expressions mean what they mean in Python, or are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.grammar import automaton, regex
from services.grammar.rule import GrammarError, Work

PATTERNS = [
    "",
    "a",
    "abc",
    "a|b|",
    "a*",
    "a+b?",
    "(?:ab)*c",
    "(a|b)*abb",
    "((a*)*)*",
    "(a+)+b",
    "a{3}",
    "a{2,}",
    "a{0,2}b",
    "(a{1,3}){1,3}",
    "[a-c]+",
    "[^a-c]",
    "[-a]",
    "[a-]",
    r"[\]a]",
    r"[\d.]+",
    r"[^\s]",
    r"[^\w]",
    r"\d{2}-\d\d",
    r"\w+@\w+\.com",
    r"\S+ \S+",
    r"\D\W",
    ".",
    ".*b.*",
    "^ab$",
    "^a|b$",
    "a??b",
    "a*?b+?",
    r"\.\*\{\}",
    r"\x41\u0042",
    "(?P<year>[0-9]{4})",
    "(?<year>[0-9]{4})",
    "]",
    "}",
    "a}b",
    r"\n|\t",
    "a|ab|abc",
    "(|a)b",
    "[a-z]{2,4}|[0-9]{2,4}",
]
ALPHABET = "abcABxyz0129 .-_@com\n\t{}[]|*\\"


def accepts(pattern: str, text: str, *, search: bool = False) -> bool:
    """Follow the automaton of a pattern."""
    made, state = automaton.determinize(regex.read(pattern, search=search), Work()), 0
    for code in map(ord, text):
        ways = [target for target, ranges in made.steps[state].items() for low, high in ranges if low <= code <= high]
        assert len(ways) <= 1, "it is not deterministic"
        if not ways:
            return False
        state = ways[0]
    return state in made.final


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=60, derandomize=True, database=None)
@given(data=st.data())
def test_matches_what_python_matches(pattern, data):
    python = re.sub(r"\(\?<(?![=!])", "(?P<", pattern)
    matching = st.from_regex(
        re.compile(python, re.ASCII), fullmatch=True, alphabet=st.characters(max_codepoint=126, min_codepoint=1)
    )
    text = data.draw(st.one_of(matching, st.text(ALPHABET, max_size=8)))

    if set(text) & set("\r\x1c\x1d\x1e\x1f"):
        return  # a dot spares all line breaks, as in ECMAScript, and \S what Python alone calls a space
    assert accepts(pattern, text) == bool(re.fullmatch(python, text, re.ASCII))


@pytest.mark.parametrize("pattern", ["b", "^b", "b$", "^b$", "a|^b$|c$", "x.z"])
@given(text=st.text("abcxyz", max_size=6))
@settings(max_examples=60, derandomize=True, database=None)
def test_searches_as_a_schema_does(pattern, text):
    assert accepts(pattern, text, search=True) == bool(re.search(pattern, text))


@pytest.mark.parametrize(
    "pattern", [r"\D", r"\W", r"\S", r"[^\d]", r"[^\w]", r"[^\s]", "[^a]", ".", r"\d", r"\w", r"\s"]
)
def test_what_matches_beyond_ascii_matches_in_unicode_too(pattern):
    for code in [*range(1, 0x3000, 7), 0x85, 0xA0, 0x2028, 0x660, 0x1F600, 0xFEFF]:
        if accepts(pattern, chr(code)):
            assert re.fullmatch(pattern, chr(code)), hex(code)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(?=a)", "lookaround"),
        ("(?!a)", "lookaround"),
        ("(?<=a)b", "lookaround"),
        ("(?<!a)b", "lookaround"),
        (r"(a)\1", "references"),
        (r"\ba", r"\b"),
        (r"\p{L}", r"\p"),
        ("(?i)a", "flags"),
        ("(?>a)", "group"),
        ("a++", "possessive"),
        ("a**", "repetition"),
        ("*a", "repetition of nothing"),
        ("a|*", "repetition of nothing"),
        ("(a", "isn't closed"),
        ("a)", "unmatched"),
        ("[a", "end"),
        ("[]a]", r"\]"),
        ("[z-a]", "range"),
        (r"[a-\d]", "range"),
        (r"[\d-z]", "range"),
        ("a{2", "count"),
        ("a{,3}", "count"),
        ("a{3,2}", "order"),
        ("a{1001}", "1000"),
        ("(^a|b)", "branch"),
        ("(a$|b)", "branch"),
        ("a^b", "branch"),
        ("a$b", "branch"),
        ("a\\", "end"),
        (r"\x4", "hexadecimal"),
        (r"\ud800", "surrogate"),
        (r"\U00110000", "no character"),
        ("\0", "NUL"),
        ("a\\0", "escape"),
        (r"[^\D]", "negated"),
        (r"[^\x01-\U0010ffff]", "no character"),
        ("(" * 65 + ")" * 65, "deep"),
        ("(" * 4000, "deep"),
        ("a" * 4097, "longer"),
        ("(a{1,1000}){1,1000}", "complex"),
        ("((a{1,100}){1,100}){1,100}", "complex"),
        (".*a.{20}", "complex"),
        ("(a|b)*a(a|b){14}", "complex"),
        ("|".join(f"{'.*' + chr(97 + i)}" for i in range(20)) + "(.*a.*b.*c){12}", "complex"),
    ],
)
def test_what_no_automaton_can_do_is_refused_by_name(pattern, what):
    with pytest.raises(GrammarError, match=re.escape(what)):
        automaton.determinize(regex.read(pattern), Work())


def test_a_message_does_not_quote_the_pattern():
    with pytest.raises(GrammarError) as caught:
        regex.read("secret(?=word)")
    assert "secret" not in str(caught.value)
    assert "character 7" in str(caught.value)


@pytest.mark.parametrize(("least", "most"), [(0, 0), (0, 3), (2, None), (2, 4), (3, 3)])
def test_bounds_count_characters(least, most):
    made = automaton.determinize(regex.read("a*|[b-c]+"), Work()).bounded(least, most, Work())
    for text in ["", *("a" * n for n in range(1, 7)), *("bc" * n for n in range(1, 4)), "ab", "bcb"]:
        state: int | None = 0
        for code in map(ord, text):
            ways = [t for t, ranges in made.steps[state or 0].items() for low, high in ranges if low <= code <= high]
            state = ways[0] if ways else None
            if state is None:
                break
        wanted = bool(re.fullmatch("a*|[b-c]+", text)) and least <= len(text) <= (99 if most is None else most)
        assert (state in made.final) == wanted, text
