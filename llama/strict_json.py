"""JSON as RFC 8259 has it, and no deeper than can be handled: Python's own reader lets more through."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 32
"""Levels of arrays and objects."""


def loads(text: str) -> Any:
    """Read a JSON value.

    Raises:
        ValueError: it is none; or it holds NaN, an infinity, a lone surrogate, or more than `MAX_DEPTH` levels.
    """
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels deep")
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _depth(text: str) -> int:
    """Count the levels without reading: brackets inside strings don't count."""
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value
