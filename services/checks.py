"""Collecting what is wrong with a request, and the checks that several requests share."""

from __future__ import annotations

from collections.abc import Iterable

from services.errors import InvalidArgumentError, Violation

_MAX_VIOLATIONS = 16
_MAX_TEXT_BYTES = 4 * 2**20


class Checks:
    """Collects violations, so that a client learns of them at once, up to what fits in a status."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def require(self, condition: bool, field: str, description: str) -> bool:
        """Note a violation unless the condition holds, and give the condition back."""
        if not condition and len(self._violations) < _MAX_VIOLATIONS:
            self._violations.append(Violation(field, description))
        return condition

    def done(self) -> None:
        """Raise what was found.

        Raises:
            InvalidArgumentError: anything was.
        """
        if self._violations:
            raise InvalidArgumentError(self._violations)


def check_text(text: str, field: str, checks: Checks) -> bool:
    """Check that a text is not too long to be tokenized."""
    return checks.require(
        len(text) <= _MAX_TEXT_BYTES and len(text.encode()) <= _MAX_TEXT_BYTES,
        field,
        f"is longer than {_MAX_TEXT_BYTES} bytes",
    )


def check_ids(ids: Iterable[int], vocab_size: int, field: str, checks: Checks) -> None:
    """Check that ids are below the vocabulary size; the first that is not is told."""
    for index, token_id in enumerate(ids):
        if token_id >= vocab_size:
            checks.require(False, f"{field}[{index}]", f"{token_id} is not below the vocabulary size {vocab_size}")
            return
