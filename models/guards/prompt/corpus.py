"""Texts with their labels, for training without end and for the evaluation by kind; all from seeds."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from models.guards import demo, everyday
from models.guards.chat.corpus import AGENT_KINDS, held_out_cases, training_cases
from models.guards.grammar import Grammar, Halves, Split, roughen, sentence
from models.guards.prompt import harmless, phrase
from models.guards.prompt.phrase import BENIGN, INJECTION, JAILBREAK

_GRAMMAR: Final = Grammar({**phrase.SLOTS, "command": phrase.COMMANDS})


_ASKED: Final = ("request", "everyday", "near miss")


@dataclass(frozen=True, slots=True)
class Text:
    """A text, its label's index, and the kind it is counted under."""

    kind: str
    label: int
    text: str


class _Author:
    """Writes texts from one half of phrasings and values."""

    def __init__(self, rng: random.Random, split: Split) -> None:
        self.rng, self.split = rng, split

    def pick(self, halves: Halves) -> str:
        pattern = self.rng.choice(halves.of(self.split))
        for slot in ("goal", "mode", "command"):
            if f"{{{slot.capitalize()}}}" in pattern:
                pattern = pattern.replace(f"{{{slot.capitalize()}}}", sentence(self.say(f"{{{slot}}}")))
        return sentence(self.say(pattern)) if pattern[0] in "{(" else self.say(pattern)

    def say(self, pattern: str) -> str:
        return _GRAMMAR.say(self.rng, self.split, pattern)

    def chat(self) -> str:
        """A message from the world of the tiny guard, hazards among them: wanting harm is no jailbreak."""
        if self.rng.random() < 0.3:
            return everyday.sentence(self.rng, self.split)
        kinds = _ASKED if self.rng.random() < 0.7 else AGENT_KINDS
        if self.split is Split.HELD_OUT:
            case = next(held_out_cases(self.rng.getrandbits(32), self.rng.choice(kinds), 1))
        else:
            case = next(training_cases(self.rng, kinds, frozenset(), 1))
        return case.turns[-1].content

    def paragraph(self) -> str:
        draw = self.rng.random()
        if draw < 0.4:
            return everyday.with_strange_words(self.rng, self.split, self.pick(harmless.PARAGRAPHS))
        if draw < 0.6:
            return everyday.with_strange_words(self.rng, self.split, everyday.data(self.rng, self.split))
        return " ".join(everyday.sentence(self.rng, self.split) for _ in range(self.rng.randint(1, 3)))

    def document(self, paragraphs: int) -> list[str]:
        return [self.paragraph() for _ in range(paragraphs)]

    def length(self) -> int:
        return self.rng.choices((1, 2, 3, 5, 10, 16), (36, 26, 18, 10, 6, 4))[0]

    def join(self, parts: list[str]) -> str:
        return self.rng.choice((" ", "\n", "\n\n")).join(parts)


def _jailbreak(author: _Author) -> str:
    parts = [author.pick(phrase.JAILBREAKS)]
    if author.rng.random() < 0.25:
        parts.append(author.pick(phrase.JAILBREAKS))
    draw = author.rng.random()
    if draw < 0.2:
        parts.insert(0, author.chat())
    elif draw < 0.45:
        parts.append(author.chat())
    return " ".join(parts)


def _injection(author: _Author) -> str:
    order = author.pick(phrase.INJECTIONS)
    if author.rng.random() < 0.2:
        return order
    parts = author.document(author.length())
    parts.insert(author.rng.randint(0, len(parts)), order)
    return author.join(parts)


def _chat(author: _Author) -> str:
    return author.chat()


def _demo(author: _Author) -> str:
    """What paddock-tiny is asked, answers, or gets from its tools; now and then as a page or a mail has it."""
    text = demo.said(author.rng, author.split, by_agent=author.rng.random() < 0.4)
    return author.join([text, author.paragraph()]) if author.rng.random() < 0.15 else text


def _document(author: _Author) -> str:
    return author.join(author.document(author.length()))


def _near(author: _Author) -> str:
    parts = [author.pick(harmless.NEAR)]
    draw = author.rng.random()
    if draw < 0.15:
        parts.append(author.chat())
    elif draw < 0.3:
        parts.insert(0, author.chat())
    elif draw < 0.4:
        parts += author.document(1)
    return author.join(parts)


def _long_document(author: _Author) -> str:
    return author.join(author.document(16))


def _long_injection(author: _Author) -> str:
    parts = author.document(15)
    parts.insert(author.rng.randint(0, len(parts)), author.pick(phrase.INJECTIONS))
    return author.join(parts)


_TRAINING: Final[dict[str, tuple[int, int, Callable[[_Author], str]]]] = {
    "jailbreak": (28, JAILBREAK, _jailbreak),
    "injection": (30, INJECTION, _injection),
    "chat": (12, BENIGN, _chat),
    "demo": (10, BENIGN, _demo),
    "document": (14, BENIGN, _document),
    "near miss": (14, BENIGN, _near),
}
_KINDS: Final = {
    **_TRAINING,
    "long document": (0, BENIGN, _long_document),
    "long injection": (0, INJECTION, _long_injection),
}
KINDS: Final = tuple(_KINDS)
"""What the evaluation counts."""


def _draw(rng: random.Random, split: Split, kind: str) -> Text:
    _, label, write = _KINDS[kind]
    return Text(kind, label, roughen(rng, write(_Author(rng, split))))


def training_texts(rng: random.Random, count: int) -> Iterator[Text]:
    """Yield texts to train on."""
    shares = [share for share, _, _ in _TRAINING.values()]
    for _ in range(count):
        yield _draw(rng, Split.TRAIN, rng.choices(tuple(_TRAINING), shares)[0])


def held_out_texts(seed: int, kind: str, count: int) -> Iterator[Text]:
    """Yield evaluation texts of a kind, put in phrasings and values that training never uses."""
    rng = random.Random(f"paddock-prompt-guard:{seed}:held-out:{kind}")
    for _ in range(count):
        yield _draw(rng, Split.HELD_OUT, kind)
