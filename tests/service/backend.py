"""A backend that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from backends.base import Backend
from backends.errors import UnavailableError
from backends.types import (
    Capabilities,
    Feature,
    Finish,
    FinishReason,
    GenerationRequest,
    Health,
    TokenDelta,
    Usage,
)
from tests.checkpoint import VOCAB_SIZE

Script = Callable[[GenerationRequest], AsyncGenerator[TokenDelta, None]]


class ScriptedBackend(Backend):
    """Generates by a function of the test's.

    Attributes:
        may_load: `load` waits for it.
        load_error: what `load` raises.
        ready: what `health` tells after `load`.
        running: answers that were begun and not closed.
        closed: whether `close` was called.
    """

    def __init__(self, script: Script | None = None, **capabilities: object) -> None:
        self._script = script or text("ok")
        shape = {"context_length": 512, "vocab_size": VOCAB_SIZE, "max_concurrency": 8, "max_logprobs": 20}
        self._capabilities = Capabilities(features=frozenset(Feature), **{**shape, **capabilities})  # type: ignore[arg-type]
        self.may_load = asyncio.Event()
        self.may_load.set()
        self.load_error: Exception | None = None
        self.ready = False
        self.running = 0
        self.closed = False

    async def load(self) -> Capabilities:
        await self.may_load.wait()
        if self.load_error:
            raise self.load_error
        self.ready = True
        return self._capabilities

    def health(self) -> Health:
        return Health(self.ready, self.running, 0, "" if self.ready else "told so", cache_usage=0.25)

    async def close(self) -> None:
        self.closed = True
        self.ready = False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        self.running += 1
        try:
            async for delta in self._script(request):
                yield delta
        finally:
            self.running -= 1


class Breaking(ScriptedBackend):
    """Has another backend compute, and loses requests at a token.

    Attributes:
        at_token: the position in the answer, continuation counted in.
        losses: how many requests are still to be lost.
    """

    def __init__(self, real: Backend, at_token: int, losses: int = 1) -> None:
        super().__init__(self._answer)
        self._real = real
        self.at_token = at_token
        self.losses = losses

    async def load(self) -> Capabilities:
        capabilities = await self._real.load()
        await super().load()
        return capabilities

    async def close(self) -> None:
        await self._real.close()
        await super().close()

    async def _answer(self, wanted: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        written = len(wanted.continuation)
        async with aclosing(self._real.generate(wanted)) as deltas:
            async for delta in deltas:
                if written >= self.at_token and self.losses:
                    self.losses -= 1
                    raise UnavailableError("lost on purpose")
                written += len(delta.token_ids)
                yield delta


def end(request: GenerationRequest, *ids: int) -> TokenDelta:
    """Build the last delta of an answer."""
    usage = Usage(len(request.prompt), len(request.continuation) + len(ids))
    return TokenDelta(ids, finish=Finish(FinishReason.MAX_TOKENS, usage))


def text(answer: str) -> Script:
    """Answer with ASCII text, a token per character."""

    async def script(request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        for character in answer[:-1]:
            yield TokenDelta((byte_id(character),))
        yield end(request, byte_id(answer[-1]))

    return script


def failing(error: BaseException, after: int = 0) -> Script:
    """Raise an error after so many tokens."""

    async def script(request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        for _ in range(after):
            yield TokenDelta((byte_id("a"),))
        raise error

    return script


def byte_id(character: str) -> int:
    """Give the id of a printable ASCII character in the test tokenizer: byte-level alphabets begin with `!` as 0."""
    return ord(character) - ord("!")
