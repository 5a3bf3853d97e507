"""The step: one ragged row of tokens through the model, for all requests that are due.

Synchronous, without threads or asyncio: `add`, `cancel`, and `step` until it is idle. `worker.py` drives it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backends.errors import BackendError, ComputeError
from backends.transformers.attention import Chunk, DecodeGroup, StepLayout, chunk_mask
from backends.transformers.cache import KVCache, Lease
from backends.transformers.grammar import Follower, allowed_ids
from backends.transformers.prefix import PrefixCache
from backends.transformers.sampling import choose
from backends.transformers.scheduler import Plan, PrefillChunk, Scheduler
from backends.transformers.scoring import score
from backends.transformers.sequence import Sequence
from backends.types import Finish, GenerationRequest, TokenDelta, TokenLogprob

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Emission:
    """What a step has for one request: a delta, or the error that ends it; neither, when it was cancelled.

    A classifier's has the logits of all windows in a delta's place.
    """

    ticket: int
    delta: TokenDelta | None = None
    error: BackendError | None = None
    logits: list[list[float]] | None = None


@dataclass(frozen=True)
class _Batch:
    """A plan laid out.

    Attributes:
        tokens: input ids, decode first.
        positions: of each token in its sequence.
        layout: for the attention.
        sampled: who gets an id, with the index of the token whose logits it follows from.
        scored: chunks whose prompt logprobs are wanted, with the token indices.
    """

    tokens: list[int]
    positions: list[int]
    layout: StepLayout
    sampled: list[tuple[Sequence, int]]
    scored: list[tuple[PrefillChunk, range]]


class Engine:
    """Continuous batching for one model.

    Args:
        model: a causal language model whose attention is ours.
        prefix: beginnings of prompts, in blocks as long as the scheduler's chunks.
        block_tokens: that length.
        query_groups: query heads per key head.
        context_length: prompt and answer together, in tokens.
        vocab_size: logits per token.
    """

    def __init__(
        self,
        model: Any,
        cache: KVCache,
        scheduler: Scheduler,
        prefix: PrefixCache,
        *,
        block_tokens: int,
        query_groups: int,
        context_length: int,
        vocab_size: int,
    ) -> None:
        self._model, self._cache, self._scheduler, self._prefix = model, cache, scheduler, prefix
        self._block_tokens = block_tokens
        self._query_groups, self._context_length = query_groups, context_length
        self._vocab_size = vocab_size
        self._sequences: dict[int, Sequence] = {}

    @property
    def running(self) -> int:
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        return self._scheduler.waiting

    @property
    def cache_usage(self) -> float:
        """Part of the cache that is promised, in [0, 1]."""
        return self._scheduler.cache_usage

    @property
    def slots_in_use(self) -> int:
        """Places taken in the cache."""
        return self._cache.slots_in_use

    def add(self, ticket: int, request: GenerationRequest, follower: Follower | None = None) -> None:
        """Queue a checked request, with what follows its grammar where it has one."""
        most = min(len(request.prompt) + request.max_tokens, self._context_length)
        sequence = Sequence(ticket, request, most - 1, follower)  # the last id's keys are never needed
        if request.prompt_logprobs is None:  # they follow from the logits, which are not kept
            sequence.blocks = self._prefix.names(sequence.context, request.cache_salt)
        self._sequences[ticket] = sequence
        self._scheduler.add(sequence)

    def cancel(self, ticket: int) -> Emission:
        """Forget a request, if it is still there, and free its slot."""
        sequence = self._sequences.get(ticket)
        if sequence is not None:
            with torch.inference_mode():
                self._remove(sequence)
        return Emission(ticket)

    def step(self) -> list[Emission]:
        """Compute one step. Nothing to do gives an empty list.

        A step that fails ends the requests that had a part in it, and nobody else's.
        """
        with torch.inference_mode():
            self._preempt()
            emissions = self._admit()
            plan = self._scheduler.plan()
            if not plan.sequences:
                return emissions
            try:
                return emissions + self._compute(plan)
            except Exception as error:
                logger.exception("a step of %d requests failed", len(plan.sequences))
                reason = f"the step failed: {type(error).__name__}"
                return emissions + [self._fail(sequence, reason) for sequence in plan.sequences]

    def _preempt(self) -> None:
        for sequence in self._scheduler.preempt():
            self._release(sequence)
            sequence.preempt()

    def _admit(self) -> list[Emission]:
        """Give those who are next a slot, and fill those that are being filled with what is known."""
        emissions: list[Emission] = []
        for sequence in self._scheduler.admit():
            sequence.has_slot()
            try:
                sequence.lease = self._cache.open(sequence.ticket, sequence.prefill)
            except (MemoryError, RuntimeError) as error:
                logger.error("no slot of %d tokens could be had: %s", sequence.prefill, error)
                emissions.append(self._fail(sequence, "there is not enough memory"))
        for sequence in self._scheduler.prefilling:
            self._reuse(sequence)
        return emissions

    def _reuse(self, sequence: Sequence) -> None:
        """Copy the blocks that were computed before, but leave a token to compute: logits are not kept."""
        while sequence.lease is not None and (block := sequence.next_block(self._block_tokens)) is not None:
            start, end = sequence.computed, sequence.computed + self._block_tokens
            data = self._prefix.get(block)
            if data is None or end >= sequence.prefill:
                return
            sequence.lease.slot[:, :, :, start:end] = data
            sequence.fill(self._block_tokens)
            self._prefix.touch(sequence.blocks[: end // self._block_tokens])
            sequence.reused += 0 if sequence.preempted else self._block_tokens

    def _compute(self, plan: Plan) -> list[Emission]:
        batch = self._lay_out(plan)
        logits = self._forward(batch)
        for sequence in plan.decoding:
            sequence.fill(1)
        for chunk in plan.chunks:
            self._keep(chunk)
            chunk.sequence.fill(chunk.end - chunk.start)
            if chunk.last:
                self._scheduler.start_decoding(chunk.sequence)
        scored_from = len(batch.sampled)
        for chunk, rows in batch.scored:
            self._score_prompt(chunk, logits[scored_from : scored_from + len(rows)])
            scored_from += len(rows)
        return self._sample([sequence for sequence, _ in batch.sampled], logits[: len(batch.sampled)])

    def _keep(self, chunk: PrefillChunk) -> None:
        sequence = chunk.sequence
        if sequence.lease is not None and sequence.next_block(self._block_tokens) is not None:
            names = sequence.blocks[: chunk.end // self._block_tokens]
            self._prefix.keep(names, sequence.lease.slot[:, :, :, chunk.start : chunk.end])

    def _lay_out(self, plan: Plan) -> _Batch:
        tokens, positions, groups = self._decode_groups(plan)
        decoding = (self._sequences[lease.ticket] for lease in self._decode_leases())
        sampled = [(sequence, index) for index, sequence in enumerate(decoding) if sequence.due]
        chunks, scored = list[Chunk](), list[tuple[PrefillChunk, range]]()
        for chunk in plan.chunks:
            offset, sequence = len(tokens), chunk.sequence
            chunks.append(self._chunk(chunk, offset))
            tokens += sequence.context[chunk.start : chunk.end]
            positions += range(chunk.start, chunk.end)
            if chunk.end == len(sequence.context):
                sampled.append((sequence, len(tokens) - 1))
            if sequence.prompt_logprobs is not None:
                end = min(chunk.end, len(sequence.request.prompt) - 1)
                if end > chunk.start:
                    scored.append((chunk, range(offset, offset + end - chunk.start)))
        return _Batch(tokens, positions, StepLayout(tuple(groups), tuple(chunks)), sampled, scored)

    def _decode_leases(self) -> Iterable[Lease]:
        return (lease for block in self._cache.blocks for lease in block.leases)

    def _decode_groups(self, plan: Plan) -> tuple[list[int], list[int], list[DecodeGroup]]:
        """Make room for one token each, then go through the cache's blocks row by row."""
        for sequence in plan.decoding:
            if sequence.lease is not None:
                self._cache.make_room(sequence.lease)
        tokens, positions, groups = list[int](), list[int](), list[DecodeGroup]()
        for block in self._cache.blocks:
            filled = [lease.length for lease in block.leases]
            groups.append(DecodeGroup(block.data, len(tokens), filled))
            tokens += [self._sequences[lease.ticket].context[lease.length] for lease in block.leases]
            positions += filled
        return tokens, positions, groups

    def _chunk(self, chunk: PrefillChunk, offset: int) -> Chunk:
        sequence, geometry = chunk.sequence, self._cache.geometry
        if sequence.lease is None:
            raise RuntimeError("a chunk without a slot")
        count = chunk.end - chunk.start
        mask = chunk_mask(chunk.start, count, self._query_groups, geometry.dtype, geometry.device)
        return Chunk(sequence.lease.slot, offset, chunk.start, count, mask)

    def _forward(self, batch: _Batch) -> Tensor:
        """Run the model; returns float32 logits of the sampled rows, then the scored ones."""
        device = self._cache.geometry.device
        wanted = [index for _, index in batch.sampled] + [index for _, rows in batch.scored for index in rows]
        output = self._model(
            input_ids=torch.tensor([batch.tokens], device=device),
            position_ids=torch.tensor([batch.positions], device=device),
            use_cache=False,
            logits_to_keep=torch.tensor(wanted, dtype=torch.long, device=device),
            paddock_step=batch.layout,
        )
        logits: Tensor = output.logits[0].float()
        return logits

    def _score_prompt(self, chunk: PrefillChunk, logits: Tensor) -> None:
        """Token i of the prompt is scored by the logits at i - 1."""
        sequence, count = chunk.sequence, logits.shape[0]
        ids = sequence.context[chunk.start + 1 : chunk.start + 1 + count]
        candidates = sequence.request.prompt_logprobs or 0
        if sequence.prompt_logprobs is not None:
            sequence.prompt_logprobs += score(logits, ids, [candidates] * count)

    def _sample(self, sequences: list[Sequence], logits: Tensor) -> list[Emission]:
        emissions, sequences, logits = self._without(
            torch.isfinite(logits).all(dim=-1), "the model's output is not finite", sequences, logits
        )
        allowed = self._allowed(sequences)
        if allowed is not None:
            lost, sequences, logits = self._without(
                allowed.any(dim=-1), "the grammar leads where no token does", sequences, logits
            )
            emissions, allowed = emissions + lost, allowed[allowed.any(dim=-1)]
        if not sequences:
            return emissions
        chosen = choose(logits, [sequence.row() for sequence in sequences], allowed)
        scores = _scores(sequences, logits, chosen)
        return emissions + [
            self._emit(sequence, token, scores.get(sequence.ticket, ()))
            for sequence, token in zip(sequences, chosen, strict=True)
        ]

    def _without(
        self, good: Tensor, reason: str, sequences: list[Sequence], logits: Tensor
    ) -> tuple[list[Emission], list[Sequence], Tensor]:
        """End the sequences whose row is not good, and give what is left."""
        flags = good.tolist()
        if all(flags):
            return [], sequences, logits
        failed = [self._fail(sequence, reason) for sequence, flag in zip(sequences, flags, strict=True) if not flag]
        left = [sequence for sequence, flag in zip(sequences, flags, strict=True) if flag]
        return failed, left, logits[good.to(logits.device)]

    def _allowed(self, sequences: list[Sequence]) -> Tensor | None:
        """Tell which ids each sequence may have next, by its grammar; None where none has one."""
        followers = [sequence.follower for sequence in sequences]
        return allowed_ids(followers, self._vocab_size) if any(followers) else None

    def _emit(self, sequence: Sequence, token: int, logprobs: tuple[TokenLogprob, ...]) -> Emission:
        if sequence.follower is not None and (problem := sequence.follower.take(token)):
            self._remove(sequence)
            return Emission(sequence.ticket, error=problem)
        finish: Finish | None = sequence.append(token, self._context_length)
        if finish is not None:
            self._remove(sequence)
        return Emission(sequence.ticket, TokenDelta((token,), logprobs, sequence.take_prompt_logprobs(), finish))

    def _fail(self, sequence: Sequence, reason: str) -> Emission:
        self._remove(sequence)
        return Emission(sequence.ticket, error=ComputeError(reason))

    def _remove(self, sequence: Sequence) -> None:
        """Idempotent, since a step may fail after some of its sequences have ended."""
        if self._sequences.pop(sequence.ticket, None) is None:
            return
        self._scheduler.remove(sequence)
        self._release(sequence)

    def _release(self, sequence: Sequence) -> None:
        if sequence.lease is not None:
            self._cache.release(sequence.lease)
            sequence.lease = None


def _scores(sequences: list[Sequence], logits: Tensor, chosen: list[int]) -> dict[int, tuple[TokenLogprob, ...]]:
    """Score the chosen ids of those who asked, by ticket."""
    asked = [
        (i, sequence, sequence.request.logprobs)
        for i, sequence in enumerate(sequences)
        if sequence.request.logprobs is not None
    ]
    if not asked:
        return {}
    rows = [i for i, _, _ in asked]
    entries = score(logits[rows], [chosen[i] for i in rows], [count for _, _, count in asked])
    return {sequence.ticket: (entry,) for (_, sequence, _), entry in zip(asked, entries, strict=True)}
