"""A request between its arrival and its end: what came of it, and what its consumer has not taken yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from backends.base import Bell
from backends.errors import BackendError
from backends.types import Candidate, Finish, FinishReason, GenerationRequest, TokenDelta, TokenLogprob, Usage


class EngineAnswerError(Exception):
    """The engine answered one request in a way that its API doesn't have."""


class Ticket:
    """One request. The backend's task adds, the generator takes; what waits is bounded by `max_tokens`."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.output: Any = None
        self.reading: asyncio.Task[None] | None = None
        self.left = False
        self._arrived = time.monotonic()
        self._queue_s: float | None = None
        self._made = len(request.continuation)
        self._token_ids: list[int] = []
        self._logprobs: list[TokenLogprob] = []
        self._finish: Finish | None = None
        self._error: BackendError | None = None
        self._bell = Bell()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be added."""
        return self._finish is not None or self._error is not None

    def admit(self) -> None:
        """Tell that it has a slot now."""
        self._queue_s = time.monotonic() - self._arrived

    def add(self, output: Any) -> None:
        """Take over what the engine's last step brought, before the next one overwrites it.

        Raises:
            EngineAnswerError: it can't be what was asked for.
        """
        completion = output.outputs[0]
        token_ids = completion.token_ids_diff
        if completion.finish_reason is not None:
            token_ids = self._whole(completion, token_ids)
            self._finish = self._ended(completion.finish_reason, len(token_ids), output.cached_tokens)
        self._made += len(token_ids)
        self._token_ids.extend(token_ids)
        if self.request.logprobs is not None:
            entries = completion.logprobs_diff
            if len(entries) != len(token_ids) or any(
                i not in entry for i, entry in zip(token_ids, entries, strict=True)
            ):
                raise EngineAnswerError("logprobs of other ids than were chosen")
            pairs = zip(token_ids, entries, strict=True)
            self._logprobs += [token_logprob(i, entry, self.request.logprobs) for i, entry in pairs]
        if self._finish is not None:
            self._bell.end()
        elif token_ids:
            self._bell.ring()

    def fail(self, error: BackendError) -> None:
        """End it; its consumer takes what there is, and then the error."""
        if not self.has_ended:
            self._error = error
            self._bell.end()

    async def take(self, not_before: float | None = None) -> TokenDelta:
        """Wait for something new: until then, on the event loop's clock, for the last delta or an error only.

        Raises:
            BackendError: given to `fail`; after all that was added.
        """
        await self._bell.wait(not_before)
        if not self._token_ids and self._error is not None:
            raise self._error
        delta = TokenDelta(tuple(self._token_ids), tuple(self._logprobs), (), self._finish)
        self._token_ids.clear()
        self._logprobs.clear()
        return delta

    def _whole(self, completion: Any, token_ids: list[int]) -> list[int]:
        """Give back the stop token where the engine cut it off."""
        stops = self.request.stop_token_ids
        if completion.finish_reason != "stop" or (token_ids and token_ids[-1] in stops):
            return token_ids
        if not stops:
            raise EngineAnswerError("stopped where nothing stops it")
        stop = completion.stop_reason
        return [*token_ids, stop if stop in stops else min(stops)]

    def _ended(self, reason: str, new: int, cached: int) -> Finish:
        made = self._made + new
        reasons = {
            "stop": FinishReason.STOP,
            "length": FinishReason.MAX_TOKENS if made >= self.request.max_tokens else FinishReason.CONTEXT_LIMIT,
        }
        if reason not in reasons:
            raise EngineAnswerError(f"ended with {reason!r}")
        prompt = len(self.request.prompt)
        return Finish(reasons[reason], Usage(prompt, made, min(cached, prompt)), self._queue_s)


def token_logprob(token_id: int, entry: Mapping[int, Any], count: int) -> TokenLogprob:
    """Translate one position's {id: Logprob}, which holds the chosen id beside the most likely ones.

    Args:
        token_id: the chosen id.
        entry: as the engine gave it, at least one of the most likely ids in it.
        count: candidates wanted.
    """
    ranked = sorted(entry.items(), key=lambda item: (-item[1].logprob, item[0]))
    chosen = entry[token_id]
    rank = chosen.rank or 1 + sum(other.logprob > chosen.logprob for other in entry.values())
    return TokenLogprob(
        logprob=min(0.0, chosen.logprob),
        rank=rank,
        candidates=tuple(Candidate(other, min(0.0, one.logprob)) for other, one in ranked[:count]),
    )
