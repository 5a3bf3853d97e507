"""A small grammar that the corpora are written in: `(one|other)`, `{slot}`, and values held out for the evaluation."""

import enum
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")


class Split(enum.Enum):
    """Which half of the phrasings and values text is made from."""

    TRAIN = "train"
    HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class Halves:
    """Texts for training, and those that only the evaluation uses."""

    train: Sequence[str]
    held_out: Sequence[str]

    def of(self, split: Split) -> Sequence[str]:
        """The texts of a split."""
        return self.held_out if split is Split.HELD_OUT else self.train


@dataclass(frozen=True, slots=True)
class Grammar:
    """Patterns become text: `(a|b)` one of the two, `{slot}` one of the slot's values, which may be patterns too."""

    slots: Mapping[str, Halves]

    def say(self, rng: random.Random, split: Split, pattern: str, **given: str) -> str:
        """Write a pattern out; `given` fills slots with texts of their own, which stay as they are."""

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name in given:
                return given[name]
            return self.say(rng, split, rng.choice(self.slots[name].of(split)), **given)

        chosen = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), pattern)
        return _SLOT.sub(fill, chosen)


_DOUBLED = frozenset(
    "commit con cut dig drug get hit let plan put rid rig rob run scam set shut sit stab stop swim wrap".split()
)
_AS_IT_IS = {"be": "being", "die": "dying", "lie": "lying", "tie": "tying", "see": "seeing", "dye": "dyeing"}


def gerund(phrase: str) -> str:
    """Put the verb that begins a phrase in its -ing form: `rob a bank` becomes `robbing a bank`."""
    verb, _, rest = phrase.partition(" ")
    if verb.endswith("ly") and rest:
        return f"{verb} {gerund(rest)}"
    if verb in _AS_IT_IS:
        verb = _AS_IT_IS[verb]
    elif verb in _DOUBLED:
        verb += verb[-1] + "ing"
    else:
        verb = (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"
    return f"{verb} {rest}" if rest else verb


def sentence(text: str) -> str:
    """Begin with a capital."""
    return text[:1].upper() + text[1:]


def roughen(rng: random.Random, text: str) -> str:
    """Now and then write as people do: in lower case, in capitals, without the mark at the end."""
    draw = rng.random()
    if draw < 0.12:
        text = text.lower()
    elif draw < 0.15:
        text = text.upper()
    if rng.random() < 0.12:
        text = text.rstrip(".?!")
    return text
