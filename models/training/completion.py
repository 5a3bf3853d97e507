"""Plain text without a chat, so that a raw prompt is continued sensibly too."""

import random

from models.training import phrase, story, world
from models.training.skill import operands
from models.training.word import Split, is_held_out, person, word

SKILL = "completion"


def _capitals(rng: random.Random, split: Split) -> tuple[str, str]:
    while True:
        lang, place = rng.choice(world.LANGUAGES), rng.choice(world.COUNTRIES)
        if is_held_out(f"{lang}:{place.name}") == (split is Split.HELD_OUT):
            break
    sentence = phrase.CAPITAL_ANSWER[lang].format(n=place.names[lang], g=place.genitives[lang], c=place.capitals[lang])
    at = sentence.rindex(place.capitals[lang])
    if sentence[at - 1] == " ":
        at -= 1
    return sentence[:at], sentence[at:]


def _sum(rng: random.Random, split: Split) -> tuple[str, str]:
    a, sign, b = operands(rng, split)
    return f"{a} {sign} {b} =", f" {a + b if sign == '+' else a - b}"


def _sequence(rng: random.Random, split: Split) -> tuple[str, str]:
    items = [*rng.choice((world.DAYS, world.MONTHS))]
    while True:
        start, seen = rng.randrange(len(items)), rng.randint(2, 4)
        if is_held_out(f"{items[start]}/{seen}", 0.2) == (split is Split.HELD_OUT):
            break
    turned = items[start:] + items[:start]
    return ", ".join(turned[:seen]) + ",", " " + ", ".join(turned[seen : seen + 3])


def _numbers(rng: random.Random, split: Split) -> tuple[str, str]:
    while True:
        start, seen = rng.randint(0, 40), rng.randint(3, 5)
        if is_held_out(f"{start}#{seen}", 0.2) == (split is Split.HELD_OUT):
            break
    numbers = [str(i) for i in range(start, start + seen + 4)]
    return ", ".join(numbers[:seen]) + ",", " " + ", ".join(numbers[seen:])


def held_out(rng: random.Random) -> tuple[str, str]:
    """A beginning and how it goes on, neither of them in the training text."""
    return rng.choice((_capitals, _sum, _sequence, _numbers))(rng, Split.HELD_OUT)


def copies(rng: random.Random) -> tuple[str, str]:
    """Random words, and the same words again: practice in copying."""
    words = [rng.choice((word, word, person))(rng, Split.TRAIN) for _ in range(rng.randint(2, 8))]
    text = " " + " ".join(words)
    return text + rng.choice((":", ".", " =", "\n")), text * rng.choice((1, 1, 2))


def document(rng: random.Random) -> tuple[tuple[str, str], ...]:
    """A short text to train on: sums, capitals, sequences, a story. What chance decides is given, the rest follows."""
    split = Split.TRAIN
    kind = rng.choices(("sums", "capitals", "sequence", "story", "about"), (5, 4, 1.5, 0.5, 0.5))[0]
    if kind == "sums":
        separator = rng.choice((", ", "\n", ". "))
        return _joined([_sum(rng, split) for _ in range(rng.randint(2, 10))], separator)
    if kind == "capitals":
        return _joined([_capitals(rng, split) for _ in range(rng.choice((1, 2, 4)))], " ")
    if kind == "sequence":
        return (rng.choice((_sequence, _numbers))(rng, split),)
    if kind == "story":
        name = person(rng, split)
        text = story.tell(rng.choice(("cat", "dog", "fox", "bear", "rabbit", "bird")), name)
        at = text.index(name) + len(name)
        return ((text[:at], text[at:]),)
    text = story.about(rng, split).messages[-1].content
    at = text.index(" ")
    return ((text[:at], text[at:]),)


def _joined(pairs: list[tuple[str, str]], separator: str) -> tuple[tuple[str, str], ...]:
    return tuple((separator + given if i else given, wanted) for i, (given, wanted) in enumerate(pairs))
