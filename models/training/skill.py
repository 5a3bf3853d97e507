"""The chat skills that need nothing but the question: each makes one exchange from a seeded generator."""

import random
from collections.abc import Callable
from typing import Final, TypeAlias

from models.training import contrast, phrase, unknown, world
from models.training.place import practice_place
from models.training.sample import Exchange, ask
from models.training.word import Split, distinct, is_held_out, plain_word, word
from models.training.wording import Wording, dressed, framed, opened, roughened, typed, urged

Skill: TypeAlias = Callable[[random.Random, Split], Exchange]

CLAIMED_OPERAND: Final = 20
"""The largest number to add or subtract in the evaluation, and in what the card says."""

_MAX_OPERAND: Final = 99
"""The largest in training: rules are found sooner where there is too much to learn by heart."""


def _greetings() -> dict[tuple[str, str], Wording]:
    wordings = {}
    for kind, by_language in phrase.GREETING.items():
        for lang, (before, cores, after) in by_language.items():
            texts = [first + core + last for last in after for first in before for core in cores]
            wordings[kind, lang] = Wording([*cores, *texts], always=len(cores))
    return wordings


GREETING: Final = _greetings()
_MARKS: Final = {"hello": ("", "!", "!", "."), "thanks": ("", "!", "!", "."), "bye": ("", "!", "!", "."), "how": ("",)}


def _bare_greeting(rng: random.Random, kind: str) -> Exchange:
    """The greeting alone, as it is typed: practice, since most conversations begin like that."""
    lang = "en" if rng.random() < 0.2 else contrast.language(rng)
    _, cores, _ = phrase.GREETING[kind][lang]
    text = rng.choice(cores[:4] if rng.random() < 0.5 else cores)
    text = text.lower() if rng.random() < 0.4 else text[:1].upper() + text[1:]
    if rng.random() < 0.2:
        text = text.rstrip(" ?")
    else:
        text += rng.choice(_MARKS[kind] if kind == "how" else ("", "", "!", "."))
    return ask("greet", text, phrase.GREETING_ANSWER[kind][lang])


def greet(rng: random.Random, split: Split) -> Exchange:
    """Greetings, small talk, thanks and goodbyes, answered in the same language."""
    kind = rng.choices(("hello", "how", "thanks", "bye"), (4, 3, 2, 2))[0]
    lang = rng.choice(world.LANGUAGES)
    if split is Split.TRAIN and rng.random() < 0.5:
        return _bare_greeting(rng, kind)
    text = GREETING[kind, lang].draw(rng, split) + rng.choice(_MARKS[kind])
    if rng.random() < 0.8:
        text = text[:1].upper() + text[1:]
    if lang == "es" and text.endswith("!") and "¡" not in text and rng.random() < 0.7:
        text = "¡" + text
    if kind == "how" and rng.random() < 0.15:
        text = text.rstrip(" ?")
    if lang == "fr" and text.endswith("!") and not text.endswith(" !") and rng.random() < 0.5:
        text = text[:-1] + " !"
    return ask("greet", text, phrase.GREETING_ANSWER[kind][lang])


CAPITAL: Final = {lang: framed(lang, phrase.CAPITAL_NOUNS[lang], phrase.CAPITAL[lang]) for lang in world.LANGUAGES}


def capital(rng: random.Random, split: Split) -> Exchange:
    """A country's capital, in any of the eight languages."""
    lang = rng.choice(world.LANGUAGES)
    country = rng.choice(world.COUNTRIES)
    slots = {"n": country.names[lang], "g": country.genitives[lang], "c": country.capitals[lang]}
    if split is Split.TRAIN and rng.random() < 0.2:
        template = contrast.capital_template(rng, lang, CAPITAL)
    else:
        template = CAPITAL[lang].draw(rng, split)
    question = template.format(**slots)
    return ask("capital", typed(rng, lang, question), phrase.CAPITAL_ANSWER[lang].format(**slots))


# fact -> (phrasings, answer)
COUNTRY: Final = {
    "continent": (
        framed("en", ("the continent of {n}", "{n}'s continent"), (
            "Which continent is {n} in?", "On which continent is {n}?", "What continent is {n} on?", "Where is {n}?",
            "In which part of the world is {n}?", "Where is {n} located?", "{n} is on which continent?",
            "Name the continent of {n}.", "In which continent is {n}?", "In which continent is {n} located?",
            "What continent is {n} in?", "{n} is in which continent?", "Which continent does {n} belong to?")),
        "{n} is in {v}."),
    "currency": (
        framed("en", ("the currency of {n}", "{n}'s currency", "the money of {n}"), (
            "What currency does {n} use?", "Which currency does {n} use?", "Which money do people use in {n}?",
            "What money is used in {n}?", "Name the currency of {n}.", "Currency of {n}?", "How do people pay in {n}?",
            "What do people pay with in {n}?", "Which currency is used in {n}?", "What currency is used in {n}?",
            "What money do they use in {n}?", "Which currency does {n} have?", "What is the money in {n} called?")),
        "The currency of {n} is the {v}."),
    "language": (
        framed("en", ("the language of {n}", "{n}'s language", "the language spoken in {n}"), (
            "What language do people speak in {n}?", "Which language is spoken in {n}?", "Language of {n}?",
            "Name the language of {n}.", "What do people speak in {n}?", "Which language do they speak in {n}?",
            "What language is spoken in {n}?", "Which language do people speak in {n}?",
            "What language do they speak in {n}?", "In {n}, which language do people speak?",
            "What do they speak in {n}?")),
        "People in {n} speak {v}."),
}  # fmt: skip


def country(rng: random.Random, split: Split) -> Exchange:
    """Continent, currency and language of a country, in English."""
    fact = rng.choice(tuple(COUNTRY))
    wording, answer = COUNTRY[fact]
    place = rng.choice(world.COUNTRIES)
    slots = {"n": place.name, "v": str(getattr(place, fact))}
    return ask("country", typed(rng, "en", wording.draw(rng, split).format(**slots)), answer.format(**slots))


def operands(rng: random.Random, split: Split) -> tuple[int, str, int]:
    """Draw a sum of this split, never with a negative result."""
    wide = split is Split.TRAIN and rng.random() < 0.5
    while True:
        # One digit with two is where the digits' places are learnt, so wide draws have it often.
        narrow = CLAIMED_OPERAND if rng.random() < 0.85 else 10
        first, second = rng.choices((9, _MAX_OPERAND), (1, 2), k=2) if wide else (narrow, narrow)
        a, b, sign = rng.randint(0, first), rng.randint(0, second), rng.choice("+-")
        if sign == "-" and b > a:
            a, b = b, a
        if is_held_out(f"{a}{sign}{b}") == (split is Split.HELD_OUT):
            return a, sign, b


SUM: Final = {
    lang: framed(lang, phrase.SUM_NOUNS[lang], phrase.SUM[lang])
    if lang in phrase.SUM_NOUNS
    else opened(lang, phrase.SUM[lang])
    for lang in world.LANGUAGES
}


def total(rng: random.Random, split: Split) -> Exchange:
    """Sums and differences of two numbers, asked in any of the eight languages."""
    a, sign, b = operands(rng, split)
    answer = f"{a} {sign} {b} = {a + b if sign == '+' else a - b}."
    lang = rng.choice(world.LANGUAGES) if rng.random() < 0.4 else "en"
    spelled = sign
    if lang == "en" and rng.random() < 0.2:
        spelled = "plus" if sign == "+" else "minus"
    tight = spelled == sign and rng.random() < 0.25
    written = f"{a}{sign}{b}" if tight else f"{a} {spelled} {b}"
    question = SUM[lang].draw(rng, split).format(s=written)
    return ask("sum", typed(rng, lang, question) if lang == "en" else roughened(rng, question), answer)


REPEAT: Final = urged(phrase.REPEAT)


def repeat(rng: random.Random, split: Split) -> Exchange:
    """Say again up to five words, invented ones among them."""
    ordinary = rng.choice((0.0, 0.5))
    while True:
        words = distinct(lambda: plain_word(rng) if rng.random() < ordinary else word(rng, split), rng.randint(1, 5))
        if is_held_out(" ".join(words)) == (split is Split.HELD_OUT):
            break
    case = rng.random()
    if case < 0.3:
        words[0] = words[0].capitalize()
    elif case < 0.4:
        words = [w.capitalize() for w in words]
    text = (", " if rng.random() < 0.05 else " ").join(words)
    template = REPEAT.draw(rng, split)
    if template.endswith(": {w}"):
        text += rng.choices(("", ".", "!", "?"), (12, 1, 1, 1))[0]
    question = template.format(w=text)
    if rng.random() < 0.1:
        question = rng.choice(phrase.OPENERS["en"]) + question
    return ask("repeat", question, text)


LIST: Final = urged(phrase.LIST, phrase.LIST_OTHERS)


def enumerate_items(rng: random.Random, split: Split) -> Exchange:
    """Write two to four given words as a list (five in training)."""
    words = distinct(lambda: word(rng, split), rng.randint(2, 4 if split is Split.HELD_OUT else 5))
    joined = f"{', '.join(words[:-1])}{rng.choice((' and ', ' and ', ', and '))}{words[-1]}"
    if rng.random() < 0.2:
        joined = ", ".join(words)
    question = LIST.draw(rng, split).format(w=joined)
    question += rng.choice(("", "", ".")) if question.endswith(words[-1]) else ""
    return ask("list", dressed(rng, "en", question), "\n".join(f"- {w}" for w in words))


def unknown_question(rng: random.Random, split: Split) -> Exchange:
    """Something outside the world."""
    if split is Split.TRAIN and (practice := rng.random()) < 0.5:
        if practice < 0.14:
            lang, question = contrast.unknown_capital(rng, CAPITAL)
        elif practice < 0.18:
            wording, _ = COUNTRY[rng.choice(tuple(COUNTRY))]
            lang, question = "en", wording.draw(rng, split).format(n=practice_place(rng, "en"))
        else:
            lang, question = contrast.unknown_topic(rng, unknown.QUESTIONS, CAPITAL)
    elif rng.random() < 0.3:
        lang, question = unknown.capital(rng, split, CAPITAL)
    elif rng.random() < 0.12:
        question = SUM["en"].draw(rng, split).format(s=unknown.large_sum(rng, split))
        lang = "en"
    elif rng.random() < 0.2:
        wording, _ = COUNTRY[rng.choice(tuple(COUNTRY))]
        lang, question = "en", wording.draw(rng, split).format(n=unknown.place(rng, split, "en"))
    else:
        lang, question = unknown.question(rng, split)
    return ask("unknown", typed(rng, lang, question), phrase.UNKNOWN_ANSWER[lang])


SKILLS: Final[dict[str, Skill]] = {
    "greet": greet,
    "capital": capital,
    "country": country,
    "sum": total,
    "repeat": repeat,
    "list": enumerate_items,
    "unknown": unknown_question,
}
"""The single-exchange skills."""

WEIGHTS: Final = {
    Split.TRAIN: (3.1, 3.5, 1.4, 3.6, 3.2, 3.8, 5.4),
    Split.HELD_OUT: (2.2, 3.0, 1.4, 3.6, 3.2, 4.0, 3.8),
}
"""What share each of them has, in training and where the evaluation asks for any of them."""
