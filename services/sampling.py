"""The sampling fields: their ranges, what a backend needs for each, and the defaults of a model."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from backends.types import Feature
from services.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Range:
    """The values a field may have; the lowest itself only when `inclusive`."""

    lowest: float
    highest: float
    inclusive: bool = True

    def __contains__(self, value: object) -> bool:
        """Tell whether a number is in the range; what is no number is in none."""
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        return (self.lowest <= value if self.inclusive else self.lowest < value) and value <= self.highest

    def __str__(self) -> str:
        """Write it as mathematicians do."""
        return f"{'[' if self.inclusive else '('}{self.lowest:g}, {self.highest:g}]"


RANGES: Mapping[str, Range] = {
    "temperature": Range(0, 10),
    "top_p": Range(0, 1, inclusive=False),
    "top_k": Range(0, 2**31 - 1),
    "min_p": Range(0, 1),
    "repetition_penalty": Range(0, 10, inclusive=False),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
}

FEATURES = {
    "top_p": Feature.TOP_P,
    "top_k": Feature.TOP_K,
    "min_p": Feature.MIN_P,
    "repetition_penalty": Feature.REPETITION_PENALTY,
    "presence_penalty": Feature.PRESENCE_PENALTY,
    "frequency_penalty": Feature.FREQUENCY_PENALTY,
}

NEUTRAL: Mapping[str, float] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


def defaults(
    configured: Mapping[str, Any], generation_config: Mapping[str, Any], features: Collection[Feature], key: str
) -> dict[str, float]:
    """Lay the model's configuration over its generation_config.json over what changes nothing.

    What the backend lacks keeps the value that changes nothing. Values are those that a message can hold (32 bits), so
    that the parameters a client is told are exactly those that were used.

    Args:
        configured: the model's configuration; None where it leaves the choice.
        generation_config: the checkpoint's generation_config.json.
        features: what the backend supports.
        key: of the model's configuration, for errors.

    Raises:
        ConfigError: the checkpoint's generation_config.json has a value out of range.
    """
    chosen: dict[str, float] = {}
    for name, neutral in NEUTRAL.items():
        own, told = configured.get(name), generation_config.get(name)
        if name == "temperature" and generation_config.get("do_sample") is False:
            told = 0.0
        value = own if own is not None else told
        if value is None or (name in FEATURES and FEATURES[name] not in features):
            value = neutral
        if value not in RANGES[name]:
            raise ConfigError(
                f"{key}.checkpoint: {name} in its generation_config.json is {value!r}, which is not in {RANGES[name]}; "
                f"correct it, or set {key}.sampling.{name}"
            )
        chosen[name] = int(value) if name == "top_k" else struct.unpack("f", struct.pack("f", value))[0]
    return chosen
