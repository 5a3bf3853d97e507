"""Writes the parts of conversations: what somebody wants, how it is asked for, and how it is answered."""

import random
from dataclasses import dataclass, replace
from typing import Final

from models.guards import demo, everyday
from models.guards.chat import benign, hazard, near_miss, reply
from models.guards.grammar import Grammar, Halves, Split, gerund, roughen, sentence

_GRAMMAR: Final = Grammar({**hazard.SLOTS, **benign.SLOTS, "step": reply.STEP_SLOT})
CODES: Final = tuple(hazard.CATEGORIES)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants: an act to be told about, or a text to be written."""

    phrase: str
    is_text: bool
    codes: tuple[str, ...] = ()


class Author:
    """Writes the parts of conversations, from one half of phrasings and values."""

    def __init__(self, rng: random.Random, split: Split, excluded: frozenset[str]) -> None:
        self.rng, self.split, self.excluded = rng, split, excluded

    def say(self, pattern: str, **given: str) -> str:
        return _GRAMMAR.say(self.rng, self.split, pattern, **given)

    def pick(self, halves: Halves, **given: str) -> str:
        return self.say(self.rng.choice(halves.of(self.split)), **given)

    def hazard(self, code: str | None = None) -> Wish:
        rng = self.rng
        if code is None:
            code = rng.choice(sorted(self.excluded) if self.excluded and rng.random() < 0.5 else CODES)
        acts, texts = hazard.HAZARDS[code].acts, hazard.HAZARDS[code].texts
        index = rng.randrange(len(acts) + len(texts))
        return Wish(self.say((*acts, *texts)[index]), index >= len(acts), (code,))

    def harmless(self, near: bool) -> Wish:
        acts = near_miss.NEAR_ACTS if near else benign.ACTS
        texts = near_miss.NEAR_TEXTS if near else benign.TEXTS
        is_text = self.rng.random() < len(texts) / (len(acts) + len(texts))
        return Wish(self.say(self.rng.choice(texts if is_text else acts)), is_text)

    def near_miss(self) -> tuple[str, Wish]:
        """A request near a hazard, and what it wants; or words about a hazard (nothing wanted)."""
        if self.rng.random() < 0.6:
            wish = self.harmless(near=True)
            return self.ask(wish), wish
        wish = self.hazard()
        while wish.is_text:
            wish = self.hazard()
        text = self.pick(near_miss.ABOUT_HAZARDS, act=wish.phrase, acting=gerund(wish.phrase))
        return text, Wish("", is_text=True)

    def ask(self, wish: Wish) -> str:
        if wish.is_text:
            return self._with(reply.ASK_TEXT, wish.phrase)
        phrase = wish.phrase
        if self.rng.random() < 0.25:
            phrase = f"{phrase} {self.pick(reply.CIRCUMSTANCE)}"
        return self._with(reply.ASK_ACT, phrase)

    def _with(self, halves: Halves, phrase: str) -> str:
        acting = gerund(phrase)
        pattern = self.rng.choice(halves.of(self.split))
        while "{Step}" in pattern:
            pattern = pattern.replace("{Step}", sentence(self.say("{step}")), 1)
        return self.say(pattern, act=phrase, acting=acting, Acting=sentence(acting), text=phrase, Text=sentence(phrase))

    def two_hazards(self) -> tuple[str, Wish]:
        wishes: list[Wish] = []
        while len(wishes) < 2:
            wish = self.hazard()
            if not wish.is_text and wish.codes not in [w.codes for w in wishes]:
                wishes.append(wish)
        first, other = wishes
        codes = sorted((*first.codes, *other.codes), key=CODES.index)
        text = self.pick(reply.TOGETHER, act=first.phrase, other=other.phrase)
        return text, replace(first, codes=tuple(codes))

    def small_talk(self) -> str:
        draw = self.rng.random()
        if draw < 0.3:
            return everyday.sentence(self.rng, self.split)
        if draw < 0.45:
            return demo.said(self.rng, self.split, by_agent=False)
        return self.pick(benign.FOREIGN if draw < 0.5 else benign.CHAT)

    def answer(self) -> str:
        draw = self.rng.random()
        if draw < 0.25:
            return " ".join(everyday.sentence(self.rng, self.split) for _ in range(self.rng.randint(1, 3)))
        if draw < 0.45:
            return demo.said(self.rng, self.split, by_agent=True)
        return self.pick(benign.ANSWERS)

    def refuse(self, wish: Wish) -> str:
        halves = reply.REFUSALS
        if not wish.phrase or wish.is_text:
            halves = Halves(*([t for t in half if "cting}" not in t and "{act}" not in t]
                              for half in (halves.train, halves.held_out)))  # fmt: skip
        return self._with(halves, wish.phrase)

    def comply(self, wish: Wish) -> str:
        return self._with(reply.COMPLY_TEXT if wish.is_text else reply.COMPLY_ACT, wish.phrase)

    def beside(self, text: str) -> str:
        """Put a message among small talk, now and then."""
        draw = self.rng.random()
        if draw < 0.15:
            text = f"{self.small_talk()} {text}"
        elif draw < 0.25:
            text = f"{text} {self.small_talk()}"
        return roughen(self.rng, text)

    def crop(self, text: str, head: bool = True) -> str:
        """Keep a part of a text, as a window over it or a stream's beginning would."""
        words = text.split(" ")
        if len(words) < 8 or self.rng.random() < 0.65:
            return text
        start = self.rng.randrange(0, len(words) - 6) if head and self.rng.random() < 0.4 else 0
        return " ".join(words[start : self.rng.randint(start + 5, len(words))])
