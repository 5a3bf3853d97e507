"""How long things will take, learned from how long others took. Pure."""

from __future__ import annotations

_SMOOTHING = 0.1
_DEVIATIONS = 2.0
"""Mean deviations above the mean, below which nearly all are."""


class Forecast:
    """Seconds by an amount, as a ratio of moving averages: amounts that are all too high by some factor do no harm.

    Attributes:
        mean_amount: of late; 0 where nothing is known.
        mean_s: the seconds that this took.
    """

    def __init__(self) -> None:
        self.mean_amount = 0.0
        self.mean_s = 0.0
        self._deviation_s = 0.0

    def add(self, amount: float, seconds: float) -> None:
        """Take how long an amount took."""
        smoothing = _SMOOTHING if self.mean_amount else 1.0
        self._deviation_s += _SMOOTHING * (abs(seconds - self.of(amount, unknown_s=seconds)) - self._deviation_s)
        self.mean_amount += smoothing * (amount - self.mean_amount)
        self.mean_s += smoothing * (seconds - self.mean_s)

    def of(self, amount: float, unknown_s: float = 0.0) -> float:
        """Give the seconds for an amount; `unknown_s` before anything is known."""
        return self.mean_s / self.mean_amount * amount if self.mean_amount else unknown_s

    def most(self, amount: float, unknown_s: float = 0.0) -> float:
        """Give the seconds that an amount will hardly exceed, as retransmission timers do (Jacobson 1988)."""
        spread = self._deviation_s / self.mean_s if self.mean_s else 0.0
        return self.of(amount, unknown_s) * (1.0 + _DEVIATIONS * spread)
