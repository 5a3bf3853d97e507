"""How many calls may be retried, so that retries never multiply an overload. Pure."""

from __future__ import annotations

from collections.abc import Callable

_SPAN_S = 10.0
"""Seconds in which what is earned can be saved up, and after which it is forgotten."""


class RetryBudget:
    """One model's: each call earns a part of a retry, and each second some more. A leaky bucket, as in Finagle."""

    def __init__(self, ratio: float, min_per_s: float, clock: Callable[[], float]) -> None:
        """Take the retries that a call earns, those that a second does, and a clock that gives seconds."""
        self._ratio = ratio
        self._min_per_s = min_per_s
        self._clock = clock
        self._saved = 0.0
        self._reserve = min_per_s * _SPAN_S
        self._at = clock()

    def called(self) -> None:
        """Note a call that is no retry."""
        self._pass_time()
        self._saved += self._ratio

    def take(self) -> bool:
        """Take a retry, if there is one."""
        self._pass_time()
        if self._saved >= 1.0:
            self._saved -= 1.0
        elif self._reserve >= 1.0:
            self._reserve -= 1.0
        else:
            return False
        return True

    def _pass_time(self) -> None:
        now = self._clock()
        passed, self._at = now - self._at, now
        self._saved *= 0.5 ** (passed / _SPAN_S)
        self._reserve = min(self._reserve + passed * self._min_per_s, self._min_per_s * _SPAN_S)
