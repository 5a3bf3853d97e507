"""A prompt before it is encoded: control tokens by name, and runs of text."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TypeAlias

BEGIN_OF_TEXT = "<|begin_of_text|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
END_OF_MESSAGE = "<|eom_id|>"
END_OF_TEXT = "<|end_of_text|>"
PYTHON_TAG = "<|python_tag|>"

STOP_TOKENS = (END_OF_TEXT, END_OF_MESSAGE, END_OF_TURN)
"""What ends an answer of an Instruct model (Llama 3.1 model card)."""

STRUCTURE = frozenset((BEGIN_OF_TEXT, START_HEADER, END_HEADER, END_OF_TURN, END_OF_MESSAGE, PYTHON_TAG))
"""What Llama 3.1's own layouts can't do without."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control token, by name: the only way into a prompt."""

    name: str


Segment: TypeAlias = Control | str
"""A control token, or text: two texts in a row are encoded each by itself."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt's ids, and how often its text spelled a control token's name and was kept from becoming one."""

    token_ids: list[int]
    neutralized: int


_BEFORE_ROLE, _AFTER_ROLE = Control(START_HEADER), Control(END_HEADER)


def header(role: str) -> tuple[Segment, ...]:
    """Open a message. A tool's results are from `ipython`."""
    return _BEFORE_ROLE, "ipython" if role == "tool" else role, _AFTER_ROLE


_MONTHS = "January February March April May June July August September October November December".split()


def day_month_year(date: datetime.date, month_letters: int | None = None) -> str:
    """Write a date in English, whatever the locale, as `05 March 2026`; its month cut to so many letters."""
    return f"{date.day:02d} {_MONTHS[date.month - 1][:month_letters]} {date.year:04d}"
