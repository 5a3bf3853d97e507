"""Driving a loaded backend: requests with defaults, and answers taken in whole, checked while they come."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from backends.base import Backend
from backends.types import (
    Capabilities,
    Feature,
    Finish,
    FinishReason,
    GenerationRequest,
    Sampling,
    Seeding,
    TokenDelta,
    TokenLogprob,
)

PATIENCE_S = float(os.environ.get("PADDOCK_TEST_PATIENCE_S", "30"))
"""The longest wait for anything. Nothing should take a tenth of it, but the load of a real model."""

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """Await, but not forever."""
    return await asyncio.wait_for(awaitable, PATIENCE_S)


@dataclass
class Answer:
    """An answer taken in whole."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()
    finish: Finish | None = None

    def add(self, delta: TokenDelta, request: GenerationRequest, vocab_size: int) -> None:
        """Append a delta, and check what must hold for each."""
        assert self.finish is None, "a delta after the last one"
        assert all(0 <= token_id < vocab_size for token_id in delta.token_ids)
        assert len(delta.logprobs) == (0 if request.logprobs is None else len(delta.token_ids))
        if delta.prompt_logprobs:
            assert request.prompt_logprobs is not None
            assert not self.token_ids, "prompt logprobs come on the first delta"
            self.prompt_logprobs = delta.prompt_logprobs
        assert delta.token_ids or delta.prompt_logprobs or delta.finish, "a delta with nothing in it"
        self.token_ids.extend(delta.token_ids)
        assert len(request.continuation) + len(self.token_ids) <= request.max_tokens
        self.logprobs.extend(delta.logprobs)
        self.finish = delta.finish

    @property
    def reason(self) -> FinishReason:
        assert self.finish is not None
        return self.finish.reason

    def check_end(self, request: GenerationRequest) -> None:
        """Check what must hold for a whole answer."""
        assert self.finish is not None, "the last delta carries no finish"
        usage, total = self.finish.usage, len(request.continuation) + len(self.token_ids)
        assert usage.prompt_tokens == len(request.prompt)
        assert usage.completion_tokens == total <= request.max_tokens
        assert usage.cached_prompt_tokens is None or 0 <= usage.cached_prompt_tokens <= len(request.prompt)
        assert self.finish.queue_s is None or self.finish.queue_s >= 0.0
        stops = [index for index, token_id in enumerate(self.token_ids) if token_id in request.stop_token_ids]
        assert stops == ([len(self.token_ids) - 1] if self.reason is FinishReason.STOP else [])
        if self.reason is FinishReason.MAX_TOKENS:
            assert total == request.max_tokens
        if request.prompt_logprobs is not None:
            assert len(self.prompt_logprobs) == len(request.prompt)


def request(prompt: Iterable[int] = (11, 7, 5, 3), max_tokens: int = 24, **fields: object) -> GenerationRequest:
    """Build a request, greedy unless told otherwise. Fields of `Sampling` and of `GenerationRequest` mix freely."""
    sampling = {name: fields.pop(name) for name in Sampling.__dataclass_fields__ if name in fields}
    return GenerationRequest(
        prompt=tuple(prompt),
        max_tokens=max_tokens,
        sampling=Sampling(**{"seed": 0, "temperature": 0.0, **sampling}),  # type: ignore[arg-type]
        **fields,  # type: ignore[arg-type]
    )


class Rig:
    """A loaded backend and what it says it can do."""

    def __init__(self, backend: Backend, capabilities: Capabilities) -> None:
        self.backend = backend
        self.capabilities = capabilities

    def needs(self, *features: Feature) -> None:
        """Skip the test where the backend lacks a feature."""
        lacking = [feature.value for feature in features if feature not in self.capabilities.features]
        if lacking:
            pytest.skip(f"this backend lacks {', '.join(lacking)}")

    def needs_seeding(self, least: Seeding) -> None:
        """Skip the test where the backend's draws depend on more than it takes."""
        order = list(Seeding)
        if order.index(self.capabilities.seeding) < order.index(least):
            pytest.skip(f"this backend's draws depend on more than the {least.value}")

    async def complete(self, wanted: GenerationRequest) -> Answer:
        """Take an answer in whole, checking it on the way."""
        return await soon(self._complete(wanted))

    async def complete_all(self, wanted: Iterable[GenerationRequest]) -> list[Answer]:
        """Take several answers at once."""
        return await asyncio.gather(*map(self.complete, wanted))

    async def token_ids(self, **fields: object) -> list[int]:
        """Take the ids of one answer."""
        return (await self.complete(request(**fields))).token_ids  # type: ignore[arg-type]

    async def _complete(self, wanted: GenerationRequest) -> Answer:
        answer = Answer()
        async with aclosing(self.backend.generate(wanted)) as deltas:
            async for delta in deltas:
                answer.add(delta, wanted, self.capabilities.vocab_size)
        answer.check_end(wanted)
        return answer

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a state of `health`, which nothing announces."""

        async def poll() -> None:
            while not condition():  # noqa: ASYNC110 - a poll is all that there is
                await asyncio.sleep(0.001)

        await soon(poll())

    def counts(self) -> tuple[int, int]:
        """Return how many run and how many wait."""
        health = self.backend.health()
        return health.running, health.waiting

    def long_request(self, seed: int = 0) -> GenerationRequest:
        """Build a request that outlasts any test."""
        return request((seed % 50 + 1,) * 4, self.capabilities.context_length - 8, temperature=1.0, seed=seed)

    @asynccontextmanager
    async def all_slots_taken(self) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Hold every slot. Cancelling one of the tasks frees one."""
        holders = [
            asyncio.create_task(self._hold(self.long_request(seed)))
            for seed in range(self.capabilities.max_concurrency)
        ]
        try:
            await self.until(lambda: self.counts() == (len(holders), 0))
            yield holders
        finally:
            for holder in holders:
                holder.cancel()
            await soon(asyncio.wait(holders))

    async def _hold(self, wanted: GenerationRequest) -> None:
        async with aclosing(self.backend.generate(wanted)) as deltas:
            async for _ in deltas:
                pass
