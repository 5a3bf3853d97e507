"""Guards and classifiers for tests: checkpoints without weights, and backends that say what a test wants."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tokenizers

from backends.types import (
    Candidate,
    Finish,
    FinishReason,
    GenerationRequest,
    TokenDelta,
    TokenLogprob,
    Usage,
)
from paddock.v1.classify_pb2 import ClassifyRequest, ClassifyResponse
from services.config import ChatLayout, GuardKind, ModelConfig
from tests import classifier
from tests.checkpoint import END_OF_TURN, write_tokenizer
from tests.guard import STRINGS
from tests.service.backend import ScriptedBackend, byte_id
from tests.service.rig import MODEL, Rig, model_config, soon

SIZE = 16
"""Context length of a scripted classifier: a window."""

Score = Callable[[Sequence[int]], Sequence[float]]


def guard_folder(folder: Path, template: str = STRINGS) -> Path:
    """Write a guard's tokenizer and chat template."""
    write_tokenizer(folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def classifier_folder(folder: Path) -> Path:
    """Write a prompt guard's tokenizer."""
    classifier.unigram().save(str(folder / "tokenizer.json"))
    return folder


def guard_config(folder: Path, kind: GuardKind, backend: Any = None, **settings: Any) -> ModelConfig:
    """Configure a guard."""
    return model_config(folder, backend, guard=kind, chat_layout=ChatLayout.none, **settings)


class ScoringBackend(ScriptedBackend):
    """A sequence classifier that scores windows by a function of the test's, and remembers the calls."""

    def __init__(self, score: Score, labels: Sequence[str] = ("benign", "injection", "jailbreak"), **more: Any) -> None:
        shape = {"context_length": SIZE, "vocab_size": 1000, "generates": False, "classifies": True}
        super().__init__(labels=tuple(labels), **{**shape, **more})
        self._score = score
        self.calls: list[list[tuple[int, ...]]] = []
        self.hold: Callable[[], Awaitable[object]] | None = None

    async def classify(self, windows: Sequence[Sequence[int]]) -> list[list[float]]:
        self.calls.append([tuple(window) for window in windows])
        self.running += 1
        try:
            if self.hold is not None:
                await self.hold()
            return [list(self._score(window)) for window in windows]
        finally:
            self.running -= 1


def probabilities(*values: float) -> list[float]:
    """Give logits that have these probabilities."""
    return [math.log(max(value, 1e-9)) for value in values]


def answering(
    *answers: str, unsafe: float = 0.5, stops: bool = True
) -> Callable[[GenerationRequest], AsyncGenerator[TokenDelta, None]]:
    """Answer requests in turn, the last answer for ever, a token per byte; `unsafe` is what its first token has.

    Without a stop the answer ends by its length.
    """
    given = list(answers)

    async def script(request: GenerationRequest) -> AsyncGenerator[TokenDelta, None]:
        answer = given.pop(0) if len(given) > 1 else given[0]
        ids = [_NEWLINE if character == "\n" else byte_id(character) for character in answer]
        candidates = zip(_first_ids("safe", "unsafe"), (1 - unsafe, unsafe), strict=True)
        logprob = TokenLogprob(0.0, 1, tuple(Candidate(i, math.log(p)) for i, p in candidates if p > 0))
        ids = [*ids, END_OF_TURN] if stops else ids
        reason = FinishReason.STOP if stops else FinishReason.MAX_TOKENS
        usage = Usage(len(request.prompt), len(ids))
        yield TokenDelta((ids[0],), (logprob,))
        await asyncio.sleep(0)  # as a backend that computes elsewhere lets others go on
        yield TokenDelta(tuple(ids[1:]), (logprob,) * (len(ids) - 1), finish=Finish(reason, usage))

    return script


@cache
def _first_ids(*words: str) -> tuple[int, ...]:
    with TemporaryDirectory() as folder:
        library = tokenizers.Tokenizer.from_file(str(write_tokenizer(Path(folder)) / "tokenizer.json"))
    return tuple(library.encode(word, add_special_tokens=False).ids[0] for word in words)


_NEWLINE = 198  # of byte-level alphabets: byte 10 is the 11th of those that no printable character stands for


async def ask(rig: Rig, *inputs: Any, **fields: Any) -> ClassifyResponse:
    """Classify texts, given as strings, and conversations."""
    kinds = [{"text": entry} if isinstance(entry, str) else entry for entry in inputs]
    return await soon(rig.stub.Classify(ClassifyRequest(model=MODEL, inputs=kinds, **fields)))
