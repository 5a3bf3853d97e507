"""Passive outlier detection: a worker that loses one call after the other is left alone for a while. Pure."""

from __future__ import annotations

from collections.abc import Callable

from services.routing.config import OutlierConfig

_LEAST_SHARE = 0.1
"""Of its weight that a worker has when it has just come back."""


class OutlierDetector:
    """One worker's record. The words are Envoy's: consecutive failures, ejection, slow start."""

    def __init__(self, config: OutlierConfig, clock: Callable[[], float]) -> None:
        """Take a clock that gives seconds."""
        self._config = config
        self._clock = clock
        self._failures = 0
        self._ejections = 0
        self._ejected_until = -float("inf")
        self._back_since = -float("inf")

    @property
    def ejected(self) -> bool:
        """Whether it is left alone now."""
        return self._clock() < self._ejected_until

    @property
    def share(self) -> float:
        """The part of its weight that it has now, in (0, 1]."""
        since = max(0.0, self._clock() - max(self._ejected_until, self._back_since))
        if since >= self._config.slow_start_s:
            return 1.0
        return max(_LEAST_SHARE, since / self._config.slow_start_s)

    def came_back(self) -> None:
        """Note that it serves again: what it lost before tells nothing of it now."""
        self._failures = 0
        self._back_since = self._clock()

    def succeeded(self) -> None:
        """Note that a call was answered."""
        self._failures = 0

    def failed(self) -> float | None:
        """Note that a call was lost; give the seconds of the ejection that this leads to, if it does."""
        self._failures += 1
        if self.ejected or self._failures < self._config.consecutive_failures:
            return None
        if self._clock() - self._ejected_until > self._config.max_ejection_s:
            self._ejections = 0
        wanted = self._config.base_ejection_s * 2.0 ** min(self._ejections, 32)
        seconds = min(wanted, self._config.max_ejection_s)
        self._ejections += 1
        self._failures = 0
        self._ejected_until = self._clock() + seconds
        return seconds
