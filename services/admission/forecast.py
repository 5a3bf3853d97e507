"""How long things will take, learned from how long others took. Pure."""

from __future__ import annotations

_SMOOTHING = 0.1


class Forecast:
    """Seconds by an amount, as a ratio of moving averages: amounts that are all too high by some factor do no harm.

    Attributes:
        mean_amount: of late; 0 where nothing is known.
        mean_s: the seconds that this took.
    """

    def __init__(self) -> None:
        self.mean_amount = 0.0
        self.mean_s = 0.0

    def add(self, amount: float, seconds: float) -> None:
        """Take how long an amount took."""
        smoothing = _SMOOTHING if self.mean_amount else 1.0
        self.mean_amount += smoothing * (amount - self.mean_amount)
        self.mean_s += smoothing * (seconds - self.mean_s)

    def of(self, amount: float, unknown_s: float = 0.0) -> float:
        """Give the seconds for an amount; `unknown_s` before anything is known."""
        return self.mean_s / self.mean_amount * amount if self.mean_amount else unknown_s
