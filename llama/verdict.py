"""What Llama Guard says: `safe`, or `unsafe` and a line of codes such as `S1,S10`."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    """A guard's answer."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    UNPARSEABLE = "unparseable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guard's answer, and the codes of what it found."""

    decision: Decision
    categories: tuple[str, ...] = ()


def read_verdict(text: str, known: Collection[str], complete: bool) -> Verdict:
    """Read what a guard wrote.

    Nothing but the word `safe` is SAFE. A first line of `unsafe` is UNSAFE, whatever follows.

    Args:
        text: its answer.
        known: codes that it was asked about; others that it names are left out.
        complete: the answer came to its end; else its last code may have been cut, and isn't read.
    """
    lines = [line.strip() for line in text.strip().split("\n")]
    if lines == [Decision.SAFE.value]:
        return Verdict(Decision.SAFE)
    if lines[0] != Decision.UNSAFE.value:
        return Verdict(Decision.UNPARSEABLE)
    named = [code.strip() for code in lines[1].split(",")] if len(lines) > 1 else []
    whole = named if complete or len(lines) > 2 else named[:-1]
    return Verdict(Decision.UNSAFE, tuple(dict.fromkeys(code for code in whole if code in known)))


def unsafe_probability(safe: float | None, unsafe: float | None) -> float | None:
    """Give P(unsafe) / (P(safe) + P(unsafe)), each the probability of the word's first token as the answer's first.

    Args:
        safe: natural logarithm of its probability; None where it is too unlikely to be among the candidates.
        unsafe: the same.

    Returns:
        a probability; None where neither word was likely.
    """
    if safe is None or unsafe is None:
        return None if safe == unsafe else float(safe is None)
    return 1 / (1 + math.exp(min(safe - unsafe, 700.0)))
