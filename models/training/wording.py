"""Phrasings: frames combined with what is asked for, some of the combinations kept for evaluation only."""

import random
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from models.training import phrase
from models.training.word import Split

_HELD_OUT_SHARE: Final = 0.15
_COMMON_SHARE: Final = 0.25


def folded(text: str) -> str:
    """Fold away what makes no other phrasing: case, marks, spaces."""
    return "".join(c for c in text.casefold() if unicodedata.category(c)[0] not in "PZ")


class Wording:
    """The ways to put one thing, each in training or held out, decided by a checksum of the template.

    The first few are always trained on: those are the ways that most people choose. `practice` is for training only,
    but for what of it is held out.
    """

    def __init__(self, templates: Iterable[str], always: int = 1, practice: Iterable[str] = ()) -> None:
        unique = tuple(dict.fromkeys(templates))
        self._common = unique[:always]
        by_checksum = sorted(unique[always:], key=lambda text: zlib.crc32(text.encode()))
        held_out = frozenset(map(folded, by_checksum[: max(2, round(_HELD_OUT_SHARE * len(by_checksum)))]))
        held_out -= frozenset(map(folded, unique[:always]))
        self._held_out = held_out
        self.templates: Final = {
            Split.TRAIN: tuple(text for text in unique if folded(text) not in held_out),
            Split.HELD_OUT: tuple(text for text in unique if folded(text) in held_out),
        }
        more = tuple(text for text in practice if not self.holds_out(text))
        self._trained: Final = tuple(dict.fromkeys(self.templates[Split.TRAIN] + more))

    def holds_out(self, template: str, asked: str = "") -> bool:
        """Tell whether this is a template kept for evaluation, or holds one that is more than what is `asked` for."""
        text, bare = folded(template), folded(asked)
        return text in self._held_out or any(held_out in text for held_out in self._held_out if held_out != bare)

    def draw_trained(self, rng: random.Random) -> str:
        """Draw a template of training, those for practice among them."""
        return rng.choice(self._trained)

    def draw(self, rng: random.Random, split: Split) -> str:
        """Draw a template of this split; in training, one of the first few more often."""
        if split is Split.TRAIN and rng.random() < _COMMON_SHARE:
            return rng.choice(self._common)
        return rng.choice(self.templates[split])


def framed(lang: str, nouns: Iterable[str], others: Iterable[str] = ()) -> Wording:
    """Every frame of a language with every noun; whole phrasings besides, of which none is held out."""
    others = tuple(others)
    first, *combined = (_capitalized(frame.replace("{np}", noun)) for noun in nouns for frame in phrase.FRAMES[lang])
    return Wording((first, *others, *combined), always=1 + len(others))


def urged(requests: Sequence[str], others: Sequence[str] = ()) -> Wording:
    """English requests, and each of them after each urging, some of these held out; whole phrasings besides."""
    combined = (urging + request for urging in phrase.URGINGS for request in requests)
    return Wording((*map(_capitalized, requests), *others, *combined), always=len(requests) + len(others))


def opened(lang: str, questions: Sequence[str]) -> Wording:
    """Whole phrasings, and each of them after each opening, some of these held out. Not to be dressed again."""
    return Wording((*questions, *(o + q for o in phrase.OPENERS[lang] for q in questions)), always=len(questions))


def _capitalized(text: str) -> str:
    return text if text.startswith("{") else text[:1].upper() + text[1:]


def _uncapitalized(text: str) -> str:
    return text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]


def dressed(rng: random.Random, lang: str, question: str) -> str:
    """Put a few words before and after some questions, as people do."""
    if rng.random() < 0.25:
        opener = rng.choice(phrase.OPENERS[lang])
        question = opener + (_uncapitalized(question) if rng.random() < 0.5 else question)
    if question.endswith(("?", ".", "।")) and rng.random() < 0.08:
        question += rng.choice(phrase.CLOSERS[lang])
    return question


def roughened(rng: random.Random, question: str) -> str:
    """Now and then type as people do: lower case, no closing mark."""
    if rng.random() < 0.13:
        question = question.lower()
    if rng.random() < 0.15:
        question = question.rstrip("?.!। ¿¡")
    return question


def typed(rng: random.Random, lang: str, question: str) -> str:
    """Dress and roughen a question."""
    return roughened(rng, dressed(rng, lang, question))
