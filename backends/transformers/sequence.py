"""One request while it is computed."""

from __future__ import annotations

from backends.transformers.cache import Lease
from backends.transformers.grammar import Follower
from backends.transformers.sampling import Row
from backends.types import Finish, FinishReason, GenerationRequest, TokenLogprob, Usage


class Sequence:
    """The state of a request inside the engine.

    Attributes:
        ticket: names the request between backend and engine.
        request: as given.
        context: prompt, continuation and the ids chosen so far.
        prefill: tokens of the context to be computed by chunks; what follows is computed one by one.
        promised: tokens of cache it may come to hold.
        follower: where it is in its grammar, if it has one.
        lease: its place in the cache, once it is being computed.
        prompt_logprobs: entries so far; None when not asked for, or delivered.
    """

    def __init__(
        self, ticket: int, request: GenerationRequest, promised: int, follower: Follower | None = None
    ) -> None:
        self.ticket = ticket
        self.request = request
        self.context = [*request.prompt, *request.continuation]
        self.prefill = len(self.context)
        self.promised = promised
        self.follower = follower
        self.lease: Lease | None = None
        self.prompt_logprobs: list[TokenLogprob | None] | None = None if request.prompt_logprobs is None else [None]
        self._prompt_ids = frozenset(request.prompt) if request.sampling.repetition_penalty != 1 else frozenset()
        self._counts: dict[int, int] = {}
        for token in request.continuation:
            self._count(token)

    @property
    def computed(self) -> int:
        """Tokens of the context whose keys and values are in the cache."""
        return self.lease.length if self.lease else 0

    @property
    def position(self) -> int:
        """Index in the answer of the next id."""
        return len(self.context) - len(self.request.prompt)

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
        return Finish(reason, Usage(prompt_tokens=len(self.request.prompt), completion_tokens=self.position))

    def take_prompt_logprobs(self) -> tuple[TokenLogprob | None, ...]:
        """Hand the prompt's logprobs over, once."""
        taken, self.prompt_logprobs = tuple(self.prompt_logprobs or ()), None
        return taken

    def _count(self, token: int) -> None:
        self._counts[token] = self._counts.get(token, 0) + 1
