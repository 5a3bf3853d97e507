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
        """Whether the sequence decodes from then on."""
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

    A sequence is promised cache for what it has and a little more, and again as it grows. Where that is not there, the
    youngest gives its own back and waits in front of all who wait; so the oldest always gets on.

    Args:
        slots: sequences computed at once.
        cache_tokens: tokens of cache that may be promised at once; enough for the longest sequence.
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

    @property
    def cache_usage(self) -> float:
        """Part of the cache that is promised, in [0, 1]."""
        return self._promised / self._cache_tokens

    @property
    def prefilling(self) -> tuple[Sequence, ...]:
        """Sequences that have not been computed as far as they are given."""
        return tuple(self._prefilling)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence. Tickets rise."""
        self._waiting.append(sequence)

    def preempt(self) -> list[Sequence]:
        """Promise more to those who decode and have used theirs up.

        Returns:
            those who wait again for it: what they hold is to be released.
        """
        preempted: list[Sequence] = []
        for sequence in sorted(self._decoding.values(), key=lambda one: one.ticket):
            if sequence.computed < sequence.promised or sequence in preempted:
                continue
            while not self._promise(sequence):
                youngest = max([*self._prefilling, *self._decoding.values()], key=lambda one: one.ticket)
                self.remove(youngest)
                self._waiting.appendleft(youngest)
                preempted.append(youngest)
                if youngest is sequence:
                    break
        return preempted

    def admit(self) -> list[Sequence]:
        """Give slots to those next in turn, as long as there are slots and cache."""
        admitted: list[Sequence] = []
        while self._waiting and self.running < self._slots and self._promise(self._waiting[0]):
            sequence = self._waiting.popleft()
            self._prefilling.append(sequence)
            admitted.append(sequence)
        return admitted

    def plan(self) -> Plan:
        """Choose the next step. Each sequence has one part in it at most.

        A block of tokens that another sequence computes in this step is left for the next one, to be reused.
        """
        tokens, chunks, blocks = len(self._decoding), list[PrefillChunk](), set[bytes]()
        for sequence in self._prefilling:
            chunk = self._next_chunk(sequence)
            if chunks and tokens + chunk.end - chunk.start > self._batch_tokens:
                break
            block = sequence.next_block(self._chunk_tokens)
            if block is None or block not in blocks:
                tokens += chunk.end - chunk.start
                chunks.append(chunk)
                blocks |= set() if block is None else {block}
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
        sequence.promised = 0

    def _promise(self, sequence: Sequence) -> bool:
        more = sequence.need - sequence.promised
        if self._promised + more > self._cache_tokens:
            return False
        self._promised += more
        sequence.promised += more
        return True

    def _next_chunk(self, sequence: Sequence) -> PrefillChunk:
        start = sequence.computed
        return PrefillChunk(
            sequence, start, min(start - start % self._chunk_tokens + self._chunk_tokens, sequence.prefill)
        )
