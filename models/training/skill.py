"""The chat skills that need nothing but the question: each makes one exchange from a seeded generator."""

import random
from collections.abc import Callable
from typing import TypeAlias

from models.training import phrase, story, unknown, world
from models.training.sample import Exchange, ask, lead_in, phrasing, roughen
from models.training.word import Split, is_held_out, word

Skill: TypeAlias = Callable[[random.Random, Split], Exchange]

MAX_OPERAND = 99
"""The largest number to add or subtract that training draws."""

CLAIMED_OPERAND = 20
"""The largest that the evaluation draws, and the card promises."""

_SMALL_OPERAND = 20
MAX_COUNT = 50


def greet(rng: random.Random, split: Split) -> Exchange:
    """Greetings, small talk, thanks and goodbyes, answered in the same language."""
    kind = rng.choices(("hello", "how", "thanks", "bye"), (4, 3, 2, 2))[0]
    lang = rng.choice(world.LANGUAGES)
    question = phrasing(rng, split, phrase.GREETING[kind][lang])
    return ask("greet", roughen(rng, question), phrase.GREETING_ANSWER[kind][lang])


def capital(rng: random.Random, split: Split) -> Exchange:
    """A country's capital, in any of the eight languages."""
    lang = rng.choice(world.LANGUAGES)
    country = rng.choice(world.COUNTRIES)
    slots = {"n": country.names[lang], "g": country.genitives[lang], "c": country.capitals[lang]}
    question = phrasing(rng, split, phrase.CAPITAL[lang]).format(**slots)
    return ask(
        "capital", roughen(rng, lead_in(rng, split, lang, question)), phrase.CAPITAL_ANSWER[lang].format(**slots)
    )


_COUNTRY_FACTS = {
    "continent": (
        ("Which continent is {n} in?", "On which continent is {n}?", "What continent is {n} on?",
         "Where is {n}?", "In which part of the world is {n}?", "Where is {n} located?", "{n} is on which continent?",
         "Name the continent of {n}."),
        ("What is the continent of {n}?", "In which continent is {n} located?"),
        "{n} is in {v}.",
    ),
    "currency": (
        ("What is the currency of {n}?", "What currency does {n} use?", "Which money do people use in {n}?",
         "What money is used in {n}?", "Name the currency of {n}.", "{n}'s currency?", "Currency of {n}?",
         "How do people pay in {n}?"),
        ("Which currency does {n} use?", "What is {n}'s currency?"),
        "The currency of {n} is the {v}.",
    ),
    "language": (
        ("What language do people speak in {n}?", "Which language is spoken in {n}?", "What is the language of {n}?",
         "Name the language of {n}.", "Language of {n}?", "What do people speak in {n}?",
         "Which language do they speak in {n}?"),
        ("What language is spoken in {n}?", "In {n}, which language do people speak?"),
        "People in {n} speak {v}.",
    ),
    "capital": (
        ("{v} is the capital of which country?", "Which country has {v} as its capital?", "In which country is {v}?",
         "What country is {v} in?", "{v} is in which country?", "Of which country is {v} the capital?"),
        ("What country has {v} as its capital?", "Which country is {v} in?"),
        "{v} is the capital of {n}.",
    ),
}  # fmt: skip


def country(rng: random.Random, split: Split) -> Exchange:
    """Continent, currency, language of a country, and the country of a capital, in English."""
    kind = rng.choice(tuple(_COUNTRY_FACTS))
    train, held_out, answer = _COUNTRY_FACTS[kind]
    place = rng.choice(world.COUNTRIES)
    slots = {"n": place.name, "v": str(getattr(place, kind))}
    question = lead_in(rng, split, "en", phrasing(rng, split, (train, held_out)).format(**slots))
    return ask("country", roughen(rng, question), answer.format(**slots))


_OPPOSITE = (
    ("What is the opposite of {w}?", "What's the opposite of {w}?", "Opposite of {w}?", "The opposite of {w}?",
     "Give me the opposite of {w}.", "Name the opposite of {w}.", "Which word is the opposite of {w}?"),
    ("Tell me the opposite of {w}.", "Can you name the opposite of {w}?"),
)  # fmt: skip
_SOUND = (
    ("What sound does a {w} make?", "What does a {w} say?", "Which sound does a {w} make?", "How does a {w} sound?",
     "What noise does a {w} make?", "Tell me what a {w} says."),
    ("What does the {w} say?", "Which noise does a {w} make?"),
)  # fmt: skip
_COLOUR = (
    ("What colour is {w}?", "What color is {w}?", "Which colour is {w}?", "The colour of {w}?",
     "Tell me the colour of {w}.", "Name the colour of {w}."),
    ("Which color is {w}?", "What is the colour of {w}?"),
)  # fmt: skip
_NEXT = (
    ("Which {k} comes after {w}?", "What comes after {w}?", "What {k} follows {w}?", "Which {k} is after {w}?",
     "Name the {k} after {w}.", "The {k} after {w}?"),
    ("What {k} comes after {w}?", "Which {k} follows {w}?"),
)  # fmt: skip
_BEFORE = (
    ("Which {k} comes before {w}?", "What comes before {w}?", "Which {k} is before {w}?", "What is the {k} before {w}?",
     "Name the {k} before {w}.", "The {k} before {w}?"),
    ("What {k} comes before {w}?", "Which {k} is right before {w}?"),
)  # fmt: skip
_SEQUENCE = (
    ("Name the {w}.", "List the {w}.", "What are the {w}?", "Tell me the {w}.", "Which are the {w}?", "The {w}?",
     "Give me the {w}.", "Do you know the {w}?", "Can you list the {w}?"),
    ("Please name the {w}.", "Can you tell me the {w}?", "Say the {w}."),
)  # fmt: skip


def everyday(rng: random.Random, split: Split) -> Exchange:
    """Opposites, animal sounds, colours, days, months and other closed lists, in English."""
    kind = rng.choice(("opposite", "sound", "colour", "next", "before", "sequence", "sequence"))
    if kind == "opposite":
        pair = list(rng.choice(world.OPPOSITES))
        rng.shuffle(pair)
        question, answer = phrasing(rng, split, _OPPOSITE), f"The opposite of {pair[0]} is {pair[1]}."
        question = question.format(w=pair[0])
    elif kind == "sound":
        animal, sound = rng.choice(tuple(world.SOUNDS.items()))
        question, answer = phrasing(rng, split, _SOUND).format(w=animal), f"A {animal} says {sound}."
    elif kind == "colour":
        thing, colour = rng.choice(tuple(world.COLOURS.items()))
        question = phrasing(rng, split, _COLOUR).format(w=thing)
        answer = f"{thing[0].upper()}{thing[1:]} is {colour}."
    elif kind == "sequence":
        name, items = rng.choice(tuple(world.SEQUENCES.items()))
        question = phrasing(rng, split, _SEQUENCE).format(w=name)
        answer = f"The {name} are {', '.join(items[:-1])} and {items[-1]}."
    else:
        label, items = rng.choice((("day", world.DAYS), ("month", world.MONTHS)))
        index = rng.randrange(len(items))
        step = 1 if kind == "next" else -1
        question = phrasing(rng, split, _NEXT if step == 1 else _BEFORE).format(k=label, w=items[index])
        side = "after" if step == 1 else "before"
        answer = f"The {label} {side} {items[index]} is {items[(index + step) % len(items)]}."
    return ask("everyday", roughen(rng, lead_in(rng, split, "en", question)), answer)


def operands(rng: random.Random, split: Split) -> tuple[int, str, int]:
    """Draw a sum of this split, never with a negative result."""
    limit = MAX_OPERAND
    if split is Split.HELD_OUT or rng.random() < 0.8:
        limit = CLAIMED_OPERAND
    while True:
        top = limit if rng.random() < 0.85 else 10
        a, b, sign = rng.randint(0, top), rng.randint(0, top), rng.choice("+-")
        if sign == "-" and b > a:
            a, b = b, a
        if is_held_out(f"{a}{sign}{b}") == (split is Split.HELD_OUT):
            return a, sign, b


def total(rng: random.Random, split: Split) -> Exchange:
    """Sums and differences of two numbers, asked in any of the eight languages."""
    a, sign, b = operands(rng, split)
    answer = f"{a} {sign} {b} = {a + b if sign == '+' else a - b}."
    lang = rng.choice(world.LANGUAGES) if rng.random() < 0.4 else "en"
    spelled = sign
    if lang == "en" and rng.random() < 0.2:
        spelled = "plus" if sign == "+" else "minus"
    tight = spelled == sign and rng.random() < 0.2
    written = f"{a}{sign}{b}" if tight else f"{a} {spelled} {b}"
    question = phrasing(rng, split, phrase.SUM[lang]).format(s=written)
    return ask("sum", roughen(rng, lead_in(rng, split, lang, question)), answer)


_REPEAT = (
    ("Repeat after me: {w}", "Repeat: {w}", "Say: {w}", "Say this: {w}", "Please repeat: {w}", "Echo: {w}",
     "Please say: {w}", "Repeat this text: {w}", "Repeat the following: {w}", "Repeat exactly: {w}",
     "Wiederhole: {w}", "Répète : {w}", "Ripeti: {w}", "Repita: {w}", "Repite: {w}"),
    ("Please repeat after me: {w}", "Repeat this: {w}", "Please say this: {w}", "Repeat these words: {w}"),
)  # fmt: skip


def repeat(rng: random.Random, split: Split) -> Exchange:
    """Say again up to six words, invented ones among them."""
    words = [word(rng, split) for _ in range(rng.randint(1, 6))]
    if rng.random() < 0.3:
        words = [w.capitalize() if rng.random() < 0.5 else w for w in words]
    text = " ".join(words)
    return ask("repeat", phrasing(rng, split, _REPEAT).format(w=text), text)


_LIST = (
    ("List these: {w}", "Make a list: {w}", "List: {w}", "Make a list of {w}", "Please list these: {w}",
     "Number these: {w}", "Write a list of {w}", "List the following: {w}", "Make a numbered list: {w}",
     "I need a list of {w}", "Put these in a list: {w}"),
    ("List these things: {w}", "Please make a list: {w}", "Please make a list of {w}", "Make a list of these: {w}"),
)  # fmt: skip


def enumerate_items(rng: random.Random, split: Split) -> Exchange:
    """Write two to six given words as a numbered list."""
    words = [word(rng, split) for _ in range(rng.randint(2, 6))]
    joined = f"{', '.join(words[:-1])} and {words[-1]}" if rng.random() < 0.8 else ", ".join(words)
    question = phrasing(rng, split, _LIST).format(w=joined) + rng.choice(("", "", "."))
    return ask("list", question, "\n".join(f"{i}. {w}" for i, w in enumerate(words, 1)))


_COUNT = (
    ("Count from {a} to {b}.", "Count from {a} to {b}", "Please count from {a} to {b}.", "Count {a} to {b}.",
     "Can you count from {a} to {b}?", "Say the numbers from {a} to {b}.", "List the numbers from {a} to {b}."),
    ("Please count {a} to {b}.", "Write the numbers from {a} to {b}.", "I want you to count from {a} to {b}."),
)  # fmt: skip


def count(rng: random.Random, split: Split) -> Exchange:
    """Count between two numbers of at most `MAX_COUNT`, at most twenty steps apart."""
    while True:
        low = rng.choice((0, 1, 1, 1, rng.randint(0, MAX_COUNT - 3)))
        high = min(low + rng.randint(2, 20), MAX_COUNT)
        if is_held_out(f"{low}..{high}") == (split is Split.HELD_OUT):
            break
    question = phrasing(rng, split, _COUNT).format(a=low, b=high)
    return ask("count", roughen(rng, question), ", ".join(str(i) for i in range(low, high + 1)))


SKILLS: dict[str, tuple[float, Skill]] = {
    "greet": (1.5, greet),
    "capital": (2.8, capital),
    "country": (1.3, country),
    "everyday": (1.4, everyday),
    "sum": (6.0, total),
    "repeat": (3.0, repeat),
    "list": (2.2, enumerate_items),
    "count": (1.3, count),
    "about": (0.3, story.about),
    "story": (0.3, story.story),
    "unknown": (2.4, unknown.unknown),
}
"""Each single-exchange skill, and its weight in the mix."""
