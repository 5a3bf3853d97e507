"""From a classifier's logits to probabilities, and from a prompt guard's to the one that counts."""

from __future__ import annotations

import math
from collections.abc import Sequence


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Give the probabilities of classes that exclude each other; a temperature above 1 makes them more even."""
    highest = max(logits)
    weights = [math.exp((logit - highest) / temperature) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def sigmoid(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Give the probabilities of classes that are independent of each other."""
    return [_logistic(logit / temperature) for logit in logits]


def _logistic(value: float) -> float:
    """Compute 1 / (1 + e^-value) without an overflow."""
    small = math.exp(-abs(value))
    return 1 / (1 + small) if value >= 0 else small / (1 + small)


def attack_probability(probabilities: Sequence[float], third_party: bool) -> float:
    """Give the probability that a prompt guard assigns to an attack, by the index of its labels, whatever their names.

    Prompt Guard 1 has three: benign, injection and jailbreak. Users are there to instruct, so in their own words only
    the third counts; in words of others, which should hold no instruction, the second does too. Prompt Guard 2 has two:
    benign and malicious (model cards of Prompt-Guard-86M and Llama-Prompt-Guard-2-86M).

    Args:
        probabilities: of two or three labels.
        third_party: the text was written by neither the user nor the operator.
    """
    counted = probabilities[2:] if len(probabilities) == 3 and not third_party else probabilities[1:]
    return min(1.0, sum(counted))
