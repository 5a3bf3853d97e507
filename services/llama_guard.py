"""Classify by Llama Guard: each conversation in the guard's frame, answered by generation, a few tokens each."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from backends.base import Backend
from backends.types import Capabilities, Feature, FinishReason, GenerationRequest, Sampling, TokenLogprob, Usage
from llama.chat import Message
from llama.guard import Category, GuardError, GuardFrame
from llama.tokenizer import Tokenizer
from llama.verdict import Decision, read_verdict, unsafe_probability
from paddock.v1 import chat_pb2, generate_pb2, guard_pb2
from paddock.v1.classify_pb2 import Classification, ClassifyRequest, ClassifyResponse
from services.checks import Checks
from services.errors import PromptTooLongError
from services.identity.origin import origin
from services.subject import Subject, read_subjects

_AT_ONCE = 16
"""Inputs of a request that are judged at once, at most."""

_SPARE_TOKENS = 8
"""Of an answer, beyond what naming every category takes."""

_MAX_ADDED = 64
_MAX_NAME = 256
_MAX_DESCRIPTION = 4096
_CODE = re.compile(r"[A-Za-z0-9_-]{1,16}")

_DECISIONS = {
    Decision.SAFE: guard_pb2.GUARD_DECISION_SAFE,
    Decision.UNSAFE: guard_pb2.GUARD_DECISION_UNSAFE,
    Decision.UNPARSEABLE: guard_pb2.GUARD_DECISION_UNPARSEABLE,
}


@dataclass(frozen=True, slots=True)
class _Prompt:
    """One conversation, framed."""

    subject: Subject
    token_ids: tuple[int, ...]
    neutralized: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the guard wrote.

    Attributes:
        first: logprobs of its first token, where the backend has them.
    """

    token_ids: Sequence[int]
    first: TokenLogprob | None
    complete: bool
    usage: Usage


class LlamaGuard:
    """Judges the last message of conversations.

    Args:
        frame: of the guard's own template.
        tokenizer: the guard's.
        capabilities: of its backend.
        stop_token_ids: what ends its answer.
    """

    def __init__(
        self, frame: GuardFrame, tokenizer: Tokenizer, capabilities: Capabilities, stop_token_ids: Sequence[int]
    ) -> None:
        self._frame = frame
        self._tokenizer = tokenizer
        self._capabilities = capabilities
        self._stops = frozenset(stop_token_ids)
        self._safe, self._unsafe = (tokenizer.encode(word)[0] for word in ("safe", "unsafe"))
        self._logprobs = capabilities.max_logprobs if Feature.LOGPROBS in capabilities.features else None

    def prepare(self, request: ClassifyRequest) -> _Work:
        """Check and encode a request.

        Raises:
            InvalidArgumentError: with every field at fault.
            PromptTooLongError: a conversation leaves no room for a verdict.
        """
        checks = Checks()
        checks.require(not request.HasField("temperature"), "temperature", "is for sequence classifiers")
        checks.require(not request.HasField("normalize_spacing"), "normalize_spacing", "is for prompt guards")
        added = self._added(request, checks)
        excluded = frozenset(request.excluded_categories)
        for index, code in enumerate(request.excluded_categories):
            checks.require(code in self._frame.categories, f"excluded_categories[{index}]", "is none of the guard's")
        known = [code for code in self._frame.categories if code not in excluded] + [each.code for each in added]
        changed = bool(excluded or added)
        checks.require(bool(known) or not changed, "excluded_categories", "leave nothing to look for")
        subjects = read_subjects(request, checks)
        for subject in subjects:
            judged = subject.role != chat_pb2.ROLE_SYSTEM
            checks.require(judged, subject.path, "ends with a system message, which no guard judges")
        checks.done()
        max_tokens = len(self._tokenizer.encode("unsafe\n" + ",".join(known))) + _SPARE_TOKENS
        prompts = [self._prompt(subject, excluded, added, max_tokens, checks) for subject in subjects]
        checks.done()
        outputs = min(len(prompts), _AT_ONCE, self._capabilities.max_concurrency)
        return _Work(self, prompts, tuple(known), max_tokens, outputs)

    def _added(self, request: ClassifyRequest, checks: Checks) -> list[Category]:
        given = request.added_categories
        if not checks.require(len(given) <= _MAX_ADDED, "added_categories", f"more than {_MAX_ADDED}"):
            return []
        shows = bool(self._frame.categories)
        checks.require(shows or not given, "added_categories", "this guard's frame names no categories")
        taken = {code for code in self._frame.categories if code not in request.excluded_categories}
        for index, category in enumerate(given):
            path = f"added_categories[{index}]"
            code = category.code
            checks.require(bool(_CODE.fullmatch(code)), f"{path}.code", "is not 1 to 16 of A-Z a-z 0-9 _ -")
            checks.require(code not in taken, f"{path}.code", "is taken; exclude the guard's own to replace it")
            taken.add(code)
            checks.require(bool(category.name.strip()), f"{path}.name", "is missing")
            for name, most in (("name", _MAX_NAME), ("description", _MAX_DESCRIPTION)):
                value = getattr(category, name)
                checks.require(len(value) <= most, f"{path}.{name}", f"is longer than {most} characters")
        return [Category(each.code, f"{each.name.strip().rstrip('.')}. {each.description}") for each in given]

    def _prompt(
        self,
        subject: Subject,
        excluded: frozenset[str],
        added: Sequence[Category],
        max_tokens: int,
        checks: Checks,
    ) -> _Prompt:
        try:
            encoded = self._frame.encode(_turns(subject.messages), excluded=excluded, added=added)
        except GuardError:
            checks.require(False, subject.path, "is a conversation that the guard's template refuses")
            return _Prompt(subject, (), 0)
        limit = self._capabilities.context_length - max_tokens
        if len(encoded.token_ids) > limit:
            raise PromptTooLongError(subject.path, len(encoded.token_ids), limit)
        return _Prompt(subject, tuple(encoded.token_ids), encoded.neutralized)

    async def judge(self, prompt: _Prompt, known: Sequence[str], max_tokens: int, backend: Backend) -> _Judged:
        """Let the guard answer, and read its answer."""
        answer = await self._answer(prompt, max_tokens, backend)
        text = b"".join(self._tokenizer.piece(i) for i in answer.token_ids if i not in self._stops)
        verdict = read_verdict(text.decode(errors="replace"), known, answer.complete)
        result = Classification(
            verdict=guard_pb2.GuardVerdict(
                decision=_DECISIONS[verdict.decision],
                unsafe_probability=self._unsafe_probability(answer.first),
                categories=verdict.categories,
                judged_role=prompt.subject.role,
            ),
            neutralized_sequences=prompt.neutralized,
        )
        return _Judged(result, answer.usage)

    async def _answer(self, prompt: _Prompt, max_tokens: int, backend: Backend) -> _Answer:
        token_ids: list[int] = []
        first: TokenLogprob | None = None
        request = GenerationRequest(
            prompt=prompt.token_ids,
            max_tokens=max_tokens,
            sampling=Sampling(seed=0, temperature=0.0),
            stop_token_ids=self._stops,
            logprobs=self._logprobs,
            cache_salt=origin().cache_salt,
        )
        async with aclosing(backend.generate(request)) as deltas:
            async for delta in deltas:
                first = first or next(iter(delta.logprobs), None)
                token_ids += delta.token_ids
                if delta.finish is not None:
                    complete = delta.finish.reason is FinishReason.STOP
                    return _Answer(token_ids, first, complete, delta.finish.usage)
        raise RuntimeError("the backend's generator ended without a finish")

    def _unsafe_probability(self, first: TokenLogprob | None) -> float | None:
        if first is None:
            return None
        logprobs = {candidate.token_id: candidate.logprob for candidate in first.candidates}
        return unsafe_probability(logprobs.get(self._safe), logprobs.get(self._unsafe))


@dataclass(frozen=True, slots=True)
class _Judged:
    result: Classification
    usage: Usage


@dataclass(frozen=True, slots=True)
class _Work:
    """A checked request.

    Attributes:
        known: codes that the guard is asked about.
        outputs: prompts that are answered at once.
    """

    guard: LlamaGuard
    prompts: Sequence[_Prompt]
    known: Sequence[str]
    max_tokens: int
    outputs: int

    async def run(self, backend: Backend) -> ClassifyResponse:
        """Judge all, `outputs` at once. What fails first ends the others."""
        room = asyncio.Semaphore(self.outputs)

        async def judge(prompt: _Prompt) -> _Judged:
            async with room:
                return await self.guard.judge(prompt, self.known, self.max_tokens, backend)

        tasks = [asyncio.ensure_future(judge(prompt)) for prompt in self.prompts]
        try:
            judged = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return ClassifyResponse(results=[each.result for each in judged], usage=_total([each.usage for each in judged]))


def _turns(messages: Sequence[Message]) -> list[str]:
    """Write a conversation as the guard knows one: user and agent in turn, the user first.

    What a tool brings reaches the agent as the user's words do, and a call is written as the model writes it. Messages
    of one side in a row become one turn. System messages, which the operator wrote, are left out.
    """
    turns: list[list[str]] = [[]]
    for message in messages:
        if message.role == "system":
            continue
        agents = message.role == "assistant"
        if agents != (len(turns) % 2 == 0):
            turns.append([])
        calls = [
            json.dumps({"name": call.name, "parameters": call.arguments}, ensure_ascii=False)
            for call in message.tool_calls
        ]
        turns[-1].append("\n".join([message.content, *calls] if message.content else calls))
    return ["\n\n".join(turn) for turn in turns]


def _total(usages: Sequence[Usage]) -> generate_pb2.Usage:
    prompt, completion = sum(u.prompt_tokens for u in usages), sum(u.completion_tokens for u in usages)
    cached = [u.cached_prompt_tokens for u in usages if u.cached_prompt_tokens is not None]
    return generate_pb2.Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cached_prompt_tokens=sum(cached) if len(cached) == len(usages) else None,
    )
