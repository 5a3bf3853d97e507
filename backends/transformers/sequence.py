"""One request while it is computed."""

from __future__ import annotations

import time

from backends.transformers.cache import Lease, capacity_for
from backends.transformers.grammar import Follower
from backends.transformers.sampling import Row
from backends.types import Finish, FinishReason, GenerationRequest, TokenLogprob, Usage

_AHEAD = 256  # tokens; a request that makes no more than this is never preempted


class Sequence:
    """The state of a request inside the engine.

    Attributes:
        ticket: names the request between backend and engine.
        request: as given.
        context: prompt, continuation and the ids chosen so far.
        prefill: tokens of the context to be computed by chunks; what follows is computed one by one.
        promised: tokens of cache set aside for it.
        follower: where it is in its grammar, if it has one.
        blocks: names of the blocks that the context to be prefilled begins with, as far as they may be reused.
        reused: tokens that were found computed when it first came to be computed.
        preempted: whether it has been computed before, in part, and starts anew.
        lease: its place in the cache, once it is being computed.
        queue_s: seconds that it waited for its first slot; None before.
        prompt_logprobs: entries so far; None when not asked for, or delivered.
    """

    def __init__(self, ticket: int, request: GenerationRequest, most: int, follower: Follower | None = None) -> None:
        """Take `most`: the tokens whose keys and values it may come to need."""
        self.ticket = ticket
        self.request = request
        self.context = [*request.prompt, *request.continuation]
        self.prefill = len(self.context)
        self.promised = 0
        self.follower = follower
        self.blocks: list[bytes] = []
        self.reused = 0
        self.preempted = False
        self.lease: Lease | None = None
        self.queue_s: float | None = None
        self._arrived = time.monotonic()
        self.prompt_logprobs: list[TokenLogprob | None] | None = None if request.prompt_logprobs is None else [None]
        self._prompt_ids = frozenset(request.prompt) if request.sampling.repetition_penalty != 1 else frozenset()
        self._most = most
        self._counts: dict[int, int] = {}
        for token in request.continuation:
            self._count(token)

    @property
    def computed(self) -> int:
        """Tokens of the context whose keys and values are in the cache."""
        return self.lease.length if self.lease else 0

    @property
    def need(self) -> int:
        """Tokens of cache to set aside: for all it has, and a little more."""
        return capacity_for(min(len(self.context) + _AHEAD, self._most))

    @property
    def due(self) -> bool:
        """Whether the next id follows from the next token to be computed. Not so while a preempted one catches up."""
        return self.computed + 1 == len(self.context)

    @property
    def position(self) -> int:
        """Index in the answer of the next id."""
        return len(self.context) - len(self.request.prompt)

    def next_block(self, block_tokens: int) -> bytes | None:
        """Name the block to be computed next, if it is one."""
        index, rest = divmod(self.computed, block_tokens)
        return self.blocks[index] if not rest and index < len(self.blocks) else None

    def has_slot(self) -> None:
        """Note that it is given a slot: how long it waited for the first one is what counts."""
        if self.queue_s is None:
            self.queue_s = time.monotonic() - self._arrived

    def preempt(self) -> None:
        """Start anew, without a place in the cache. What has been chosen stays."""
        self.lease, self.preempted = None, True
        if self.prompt_logprobs is not None:
            self.prompt_logprobs = [None]

    def fill(self, count: int) -> None:
        """Note that the next `count` tokens of the context are in the cache."""
        if self.lease is not None:
            self.lease.length += count

    def row(self) -> Row:
        """Tell the sampler what it needs for the next id."""
        early = self.position < self.request.min_tokens
        return Row(
            sampling=self.request.sampling,
            position=self.position,
            prompt=self._prompt_ids,
            counts=self._counts,
            banned=self.request.stop_token_ids if early else frozenset(),
        )

    def append(self, token: int, context_length: int) -> Finish | None:
        """Take the chosen id, and tell whether and why it is the last."""
        self.context.append(token)
        self._count(token)
        if token in self.request.stop_token_ids:
            reason = FinishReason.STOP
        elif self.position >= self.request.max_tokens:
            reason = FinishReason.MAX_TOKENS
        elif len(self.context) >= context_length:
            reason = FinishReason.CONTEXT_LIMIT
        else:
            return None
        return Finish(reason, self._usage(), self.queue_s)

    def take_prompt_logprobs(self) -> tuple[TokenLogprob | None, ...]:
        """Hand the prompt's logprobs over, once."""
        taken, self.prompt_logprobs = tuple(self.prompt_logprobs or ()), None
        return taken

    def _usage(self) -> Usage:
        prompt = len(self.request.prompt)
        return Usage(prompt, self.position, cached_prompt_tokens=min(self.reused, prompt))

    def _count(self, token: int) -> None:
        self._counts[token] = self._counts.get(token, 0) + 1
