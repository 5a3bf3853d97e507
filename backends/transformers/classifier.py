"""Sequence classification: windows of many requests in padded batches.

Synchronous, without threads or asyncio: `add`, `cancel`, and `step` until it is idle. `worker.py` drives it as it does
the engine of generators.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from backends.errors import ComputeError
from backends.transformers.engine import Emission

logger = logging.getLogger(__name__)

Windows = Sequence[Sequence[int]]
"""Token ids, a window each."""


@dataclass(eq=False, slots=True)
class _Request:
    """Windows to score, and what came of them so far.

    Attributes:
        left: indices of the windows that are in no batch yet, longest first: so batches hold windows alike in length.
        missing: how many logits are still to come.
    """

    ticket: int
    windows: Windows
    left: deque[int] = field(init=False)
    logits: list[list[float]] = field(init=False)
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = deque(sorted(range(len(self.windows)), key=lambda index: -len(self.windows[index])))
        self.logits = [[] for _ in self.windows]
        self.missing = len(self.windows)


_Place = tuple[_Request, int]
"""A window of a batch: whose, and which of its windows."""


class Classifier:
    """Scores windows with one model; requests take turns window by window, so that a long one holds up nobody.

    Padding is masked: what company a window has changes its logits by float noise, about 1e-6 in float32.

    Args:
        model: a `*ForSequenceClassification` in eval mode.
        device: where it is.
        slots: requests taken up at once, and windows per batch at most.
        batch_tokens: of a batch, padding counted in; a single window may exceed it.
    """

    def __init__(self, model: Any, device: torch.device, *, slots: int, batch_tokens: int) -> None:
        self._model, self._device = model, device
        self._slots, self._batch_tokens = slots, batch_tokens
        self._padding: int | None = model.config.pad_token_id
        self._active: dict[int, _Request] = {}
        self._queue: dict[int, _Request] = {}
        self._turns: deque[_Request] = deque()

    @property
    def running(self) -> int:
        """Requests that take turns."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """Requests that came after all slots were taken."""
        return len(self._queue)

    @property
    def cache_usage(self) -> None:
        """It keeps nothing."""
        return None

    def add(self, ticket: int, windows: Windows) -> None:
        """Queue checked windows, at least one."""
        self._queue[ticket] = _Request(ticket, windows)

    def cancel(self, ticket: int) -> Emission:
        """Forget a request, if it is still there."""
        self._queue.pop(ticket, None)
        self._remove(ticket)
        return Emission(ticket)

    def step(self) -> list[Emission]:
        """Score one batch. Nothing to do gives an empty list.

        A batch that fails ends the requests that had a part in it, and nobody else's.
        """
        self._admit()
        batch = self._take()
        if not batch:
            return []
        try:
            rows = self._score([request.windows[index] for request, index in batch])
        except Exception as error:
            logger.exception("a batch of %d windows failed", len(batch))
            reason = f"the batch failed: {type(error).__name__}"
            return [self._fail(ticket, reason) for ticket in dict.fromkeys(request.ticket for request, _ in batch)]
        return self._hand_out(batch, rows)

    def _admit(self) -> None:
        while self._queue and len(self._active) < self._slots:
            ticket = next(iter(self._queue))
            request = self._queue.pop(ticket)
            self._active[ticket] = request
            self._turns.append(request)

    def _take(self) -> list[_Place]:
        """Make up a batch, a window of each request in turn, for as long as the next one fits."""
        batch: list[_Place] = []
        longest = 0
        most = self._slots if self._padding is not None else 1  # what can't be padded is scored alone
        while self._turns and len(batch) < most:
            request = self._turns[0]
            longest = max(longest, len(request.windows[request.left[0]]))
            if batch and (len(batch) + 1) * longest > self._batch_tokens:
                break
            batch.append((request, request.left.popleft()))
            self._turns.popleft()
            if request.left:
                self._turns.append(request)
        return batch

    @torch.inference_mode()
    def _score(self, windows: Windows) -> list[list[float]]:
        shape = len(windows), max(map(len, windows))
        ids, mask = torch.full(shape, self._padding or 0), torch.zeros(shape, dtype=torch.long)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.tensor(window)
            mask[row, : len(window)] = 1
        logits = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits.float()
        if not torch.isfinite(logits).all():
            raise ArithmeticError("logits that are no numbers")
        rows: list[list[float]] = logits.tolist()
        return rows

    def _hand_out(self, batch: list[_Place], rows: list[list[float]]) -> list[Emission]:
        done: list[Emission] = []
        for (request, index), row in zip(batch, rows, strict=True):
            request.logits[index] = row
            request.missing -= 1
            if not request.missing:
                self._remove(request.ticket)
                done.append(Emission(request.ticket, logits=request.logits))
        return done

    def _fail(self, ticket: int, reason: str) -> Emission:
        self._remove(ticket)
        return Emission(ticket, error=ComputeError(reason))

    def _remove(self, ticket: int) -> None:
        request = self._active.pop(ticket, None)
        if request is not None and request in self._turns:
            self._turns.remove(request)
