"""One answer on its way: where it stands, and what its consumer has not taken yet."""

from __future__ import annotations

import math
from collections import Counter

from backends.simulator.model import CANDIDATES, ToyModel, context_of, extended
from backends.simulator.sampling import allowed, choose, draw, edited, edits_logits
from backends.types import Finish, FinishReason, GenerationRequest, TokenDelta, TokenLogprob, Usage

PREFILL_CHUNK = 64
"""Prompt ids scored for `prompt_logprobs` in one step."""


class Answer:
    """The state of one request: everything that the next id depends on, and nothing of other requests.

    Args:
        request: checked.
        model: where logits come from.
        plan: ids that the model prefers at positions 0, 1, ... of the answer, with a stop token after them;
            None for no plan.
        context_length: of prompt and answer, in tokens.

    Attributes:
        queue_s: seconds that it waited for its slot; None before.
    """

    def __init__(
        self, request: GenerationRequest, model: ToyModel, plan: tuple[int, ...] | None, context_length: int
    ) -> None:
        self.position = len(request.continuation)
        self.finish: Finish | None = None
        self.queue_s: float | None = None
        self._request = request
        self._model = model
        self._plan = plan
        self._room = context_length - len(request.prompt)
        self._context = context_of((*request.prompt, *request.continuation))
        self._end = min(request.stop_token_ids, default=None)
        self._edits = edits_logits(request.sampling)
        self._is_plain = plan is None and not self._edits and request.sampling.temperature == 0
        self._seen = Counter(request.continuation) if self._edits else Counter[int]()
        self._prompt_ids = frozenset(request.prompt) if self._edits else frozenset[int]()
        self._prompt_context = context_of(())
        self._prompt_length = len(request.prompt)
        self._prompt_scored = 0 if request.prompt_logprobs is not None else self._prompt_length
        self._token_ids: list[int] = []
        self._logprobs: list[TokenLogprob] = []
        self._prompt_logprobs: list[TokenLogprob | None] = []

    @property
    def has_news(self) -> bool:
        """Whether `take` would return an id."""
        return bool(self._token_ids)

    def take(self) -> TokenDelta:
        """Hand over what is new since the last call."""
        delta = TokenDelta(tuple(self._token_ids), tuple(self._logprobs), tuple(self._prompt_logprobs), self.finish)
        self._token_ids.clear()
        self._logprobs.clear()
        self._prompt_logprobs.clear()
        return delta

    def advance(self) -> bool:
        """Take one step: score a chunk of the prompt if asked for, and then produce one id a step, and tell so."""
        request = self._request
        if self._prompt_scored < self._prompt_length:
            self._score_prompt()
            return False
        if self._is_plain and self.position >= request.min_tokens:
            token_id = self._model.top(self._context)
        else:
            token_id = self._choose()
        if request.logprobs is not None:
            logits = self._model.logits(self._context, self._planned())
            self._logprobs.append(self._model.logprob(logits, token_id, request.logprobs))
        if self._edits:
            self._seen[token_id] += 1
        self._token_ids.append(token_id)
        self._context = extended(self._context, token_id)
        self.position += 1
        if token_id in request.stop_token_ids:
            self._end_with(FinishReason.STOP)
        elif self.position >= request.max_tokens:
            self._end_with(FinishReason.MAX_TOKENS)
        elif self.position >= self._room:
            self._end_with(FinishReason.CONTEXT_LIMIT)
        return True

    def _choose(self) -> int:
        request, sampling, model = self._request, self._request.sampling, self._model
        planned = None if self._plan is None else self._planned()
        barred = request.stop_token_ids if self.position < request.min_tokens else ()
        if not self._edits:  # the two quick ways, each equal to the long one
            if sampling.temperature == 0:
                token_id = model.top(self._context) if planned is None else planned
                if token_id not in barred:
                    return token_id
            elif planned is None and not barred:
                ratio = math.exp(-model.slope(self._context) / sampling.temperature)
                rank = draw([ratio**rank for rank in range(CANDIDATES)], sampling, self.position)
                return model.candidate(self._context, rank)
        logits = model.logits(self._context, planned)
        if self._edits:
            logits = edited(logits, sampling, self._prompt_ids, self._seen)
        return choose(allowed(logits, frozenset(barred), model.vocab_size), sampling, self.position)

    def _planned(self) -> int | None:
        if self._plan is None:
            return None
        return self._plan[self.position] if self.position < len(self._plan) else self._end

    def _score_prompt(self) -> None:
        request, model = self._request, self._model
        start = self._prompt_scored
        self._prompt_scored = min(start + PREFILL_CHUNK, len(request.prompt))
        for index in range(start, self._prompt_scored):
            token_id = request.prompt[index]
            if index == 0:
                self._prompt_logprobs.append(None)
            else:
                logits = model.logits(self._prompt_context)
                self._prompt_logprobs.append(model.logprob(logits, token_id, request.prompt_logprobs or 0))
            self._prompt_context = extended(self._prompt_context, token_id)

    def _end_with(self, reason: FinishReason) -> None:
        usage = Usage(prompt_tokens=len(self._request.prompt), completion_tokens=self.position)
        self.finish = Finish(reason, usage, self.queue_s)
