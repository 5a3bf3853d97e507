"""Who is computed in the next step. Pure bookkeeping: no PyTorch, no clock, no thread."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from backends.transformers.sequence import Sequence


@dataclass(frozen=True)
class PrefillChunk:
    """Tokens [start, end) of a sequence's context."""

    sequence: Sequence
    start: int
    end: int

    @property
    def last(self) -> bool:
        """Whether the sequence's next id follows from it."""
        return self.end == self.sequence.prefill


@dataclass(frozen=True)
class Plan:
    """One step."""

    decoding: tuple[Sequence, ...]
    chunks: tuple[PrefillChunk, ...]

    @property
    def sequences(self) -> list[Sequence]:
        return [*self.decoding, *(chunk.sequence for chunk in self.chunks)]


class Scheduler:
    """Admission first come, first served; decode first; prefill chunks in turn.

    Args:
        slots: sequences computed at once.
        cache_tokens: tokens of cache that may be promised at once. A sequence is admitted when all it may come to hold
            can be promised, so nothing that runs is ever evicted.
        batch_tokens: tokens of a step above which no further chunk joins; one always does.
        chunk_tokens: chunks end at multiples of it.
    """

    def __init__(self, *, slots: int, cache_tokens: int, batch_tokens: int, chunk_tokens: int) -> None:
        self._slots, self._cache_tokens = slots, cache_tokens
        self._batch_tokens, self._chunk_tokens = batch_tokens, chunk_tokens
        self._waiting: deque[Sequence] = deque()
        self._prefilling: deque[Sequence] = deque()
        self._decoding: dict[int, Sequence] = {}
        self._promised = 0

    @property
    def running(self) -> int:
        """Sequences that hold a slot."""
        return len(self._prefilling) + len(self._decoding)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence."""
        self._waiting.append(sequence)

    def plan(self) -> Plan:
        """Admit whom there is room for, and choose the next step. Each sequence has one part in it at most."""
        while self._waiting and self._fits(self._waiting[0]):
            sequence = self._waiting.popleft()
            self._promised += sequence.promised
            self._prefilling.append(sequence)
        tokens, chunks = len(self._decoding), list[PrefillChunk]()
        for sequence in self._prefilling:
            chunk = self._next_chunk(sequence)
            if chunks and tokens + chunk.end - chunk.start > self._batch_tokens:
                break
            tokens += chunk.end - chunk.start
            chunks.append(chunk)
        self._prefilling.rotate(-len(chunks))
        return Plan(tuple(self._decoding.values()), tuple(chunks))

    def start_decoding(self, sequence: Sequence) -> None:
        """Note that a sequence's last chunk has been computed."""
        self._prefilling.remove(sequence)
        self._decoding[sequence.ticket] = sequence

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, whatever its state."""
        if sequence in self._waiting:
            self._waiting.remove(sequence)
            return
        if self._decoding.pop(sequence.ticket, None) is None:
            self._prefilling.remove(sequence)
        self._promised -= sequence.promised

    def _fits(self, sequence: Sequence) -> bool:
        return self.running < self._slots and self._promised + sequence.promised <= self._cache_tokens

    def _next_chunk(self, sequence: Sequence) -> PrefillChunk:
        start = sequence.computed
        return PrefillChunk(
            sequence, start, min(start - start % self._chunk_tokens + self._chunk_tokens, sequence.prefill)
        )
