"""Bounded admission: how many outputs of a model may be in the house, computing or waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import InvalidArgumentError, QueueFullError, Violation

_SMOOTHING = 0.1
_SHORTEST_RETRY_S = 0.1
_LONGEST_RETRY_S = 30.0


class Admission:
    """Counts what was admitted and refuses the rest, with an estimate of when there will be room.

    Attributes:
        admitted: outputs computing or waiting now.
        refused: requests for which there was no room, so far.
    """

    def __init__(self, model: str, max_concurrency: int, max_queue: int) -> None:
        self._model = model
        self._max_concurrency = max_concurrency
        self._limit = max_concurrency + max_queue
        self._mean_duration_s = 1.0
        self.admitted = 0
        self.refused = 0

    @contextmanager
    def admit(self, outputs: int) -> Iterator[None]:
        """Hold room for that many outputs.

        Raises:
            InvalidArgumentError: there will never be.
            QueueFullError: there is none now.
        """
        if outputs > self._limit:
            raise InvalidArgumentError([Violation("n", f"{outputs} outputs; this model takes {self._limit} at once")])
        if self.admitted + outputs > self._limit:
            self.refused += 1
            raise QueueFullError(self._model, self._retry_after_s())
        self.admitted += outputs
        started = time.monotonic()
        try:
            yield
        finally:
            self.admitted -= outputs
            self._mean_duration_s += _SMOOTHING * (time.monotonic() - started - self._mean_duration_s)

    def _retry_after_s(self) -> float:
        """One request leaves every (mean duration / concurrency) seconds; ask the client to wait for one place."""
        return min(max(self._mean_duration_s / self._max_concurrency, _SHORTEST_RETRY_S), _LONGEST_RETRY_S)
