"""Asking a guard, and making one answer of all that it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from backends.errors import BackendError, InvalidRequestError
from paddock.v1 import classify_pb2, guard_pb2
from services.errors import GuardUnavailableError, InvalidArgumentError, ServiceError
from services.guard.config import GuardConfig, GuardMode, is_required
from services.telemetry.record import call_record

Classify = Callable[[classify_pb2.ClassifyRequest], Awaitable[classify_pb2.ClassifyResponse]]
"""The Classify RPC, of a model in this process or behind a channel."""

_INPUTS = 16
"""Of one call: a long text takes several calls, of which the first that finds something is the last."""

_CALL_BYTES = 2**20
"""After which a call takes no more inputs: each window of a text brings what was said before it along."""

_INLINE_CHARS = 20_000
"""What is put together from more text than this takes a thread: it would hold up the event loop."""

_RETRY_S = 1.0

_SEVERITY = (guard_pb2.GUARD_DECISION_SAFE, guard_pb2.GUARD_DECISION_UNPARSEABLE, guard_pb2.GUARD_DECISION_UNSAFE)
_UNAVAILABLE = "unavailable"
_DECISIONS = dict(zip(_SEVERITY, ("safe", "unparseable", "unsafe"), strict=True))
_UNPARSEABLE = guard_pb2.GuardVerdict(decision=guard_pb2.GUARD_DECISION_UNPARSEABLE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guard:
    """A model that judges.

    Attributes:
        name: the model's.
        reads_chats: it judges the last message of a conversation; else single texts.
        classify: asks it.
    """

    name: str
    reads_chats: bool
    classify: Classify


@dataclass(frozen=True, slots=True)
class Judgment:
    """What a guard said, and the tokens that it took."""

    verdict: guard_pb2.GuardVerdict
    tokens: int

    @property
    def safe(self) -> bool:
        """Whether there is nothing against what was judged."""
        return self.verdict.decision == guard_pb2.GUARD_DECISION_SAFE


@dataclass(frozen=True, slots=True)
class Attachment:
    """A guard at work for another model.

    Attributes:
        model: the guarded one's name.
        mode: for this request: as configured, or stricter.
    """

    guard: Guard
    model: str
    config: GuardConfig
    mode: GuardMode

    @property
    def enforced(self) -> bool:
        """Whether what it is against does not pass."""
        return self.mode is GuardMode.enforce

    async def ask(self, inputs: Iterable[classify_pb2.ClassifyInput], chars: int) -> Judgment | None:
        """Have inputs judged, until one is not safe; the verdict is the worst of them.

        Args:
            inputs: made one by one, as they are taken.
            chars: of the text that they are made of.

        Returns:
            None where the guard could not be asked and need not be.

        Raises:
            GuardUnavailableError: it could not be asked, and nothing passes without it.
        """
        with call_record().guard(self.guard.name, self.model, self.config.subject.value) as record:
            try:
                judgment = await self._ask(inputs, chars)
            except GuardUnavailableError:
                record.decision = _UNAVAILABLE
                raise
            record.decision = _UNAVAILABLE if judgment is None else _DECISIONS[judgment.verdict.decision]
            return judgment

    async def _ask(self, inputs: Iterable[classify_pb2.ClassifyInput], chars: int) -> Judgment | None:
        tokens = 0
        verdicts: list[guard_pb2.GuardVerdict] = []
        calls = self._calls(iter(inputs))
        take = partial(next, calls, None)
        while call := await asyncio.to_thread(take) if chars > _INLINE_CHARS else take():
            try:
                response = await asyncio.wait_for(self.guard.classify(call), self.config.timeout_s)
            except (InvalidArgumentError, InvalidRequestError) as error:
                _log.warning(
                    "guard %s of model %s can't judge what it is shown: %s", self.guard.name, self.model, error
                )
                verdicts.append(_UNPARSEABLE)  # asking again would not help
                break
            except Exception as error:  # noqa: BLE001 - whatever fails here, nothing unjudged may pass
                self._miss(error)
                return None
            tokens += response.usage.total_tokens
            verdicts += _verdicts(response, len(call.inputs))
            if verdicts[-1].decision != guard_pb2.GUARD_DECISION_SAFE:
                break
        return Judgment(_worst(verdicts), tokens)

    def _calls(self, inputs: Iterator[classify_pb2.ClassifyInput]) -> Iterator[classify_pb2.ClassifyRequest]:
        call, size = classify_pb2.ClassifyRequest(model=self.guard.name), 0
        for given in inputs:
            call.inputs.append(given)
            size += given.ByteSize()
            if len(call.inputs) == _INPUTS or size > _CALL_BYTES:
                yield call
                call, size = classify_pb2.ClassifyRequest(model=self.guard.name), 0
        if call.inputs:
            yield call

    def _miss(self, error: Exception) -> None:
        expected = isinstance(error, (ServiceError, BackendError, asyncio.TimeoutError))
        _log.warning(
            "guard %s of model %s could not be asked: %s",
            self.guard.name,
            self.model,
            type(error).__name__,
            exc_info=None if expected else error,
        )
        if is_required(self.config, self.mode):
            retry_after_s = getattr(error, "retry_after_s", _RETRY_S)
            raise GuardUnavailableError(self.guard.name, self.model, retry_after_s) from error


def _verdicts(response: classify_pb2.ClassifyResponse, count: int) -> list[guard_pb2.GuardVerdict]:
    """One verdict per input, the worst last; what a guard left out is no verdict."""
    verdicts = [_verdict(result) for result in response.results]
    verdicts += [_UNPARSEABLE] * (count - len(verdicts))
    return sorted(verdicts, key=lambda verdict: _SEVERITY.index(verdict.decision))


def _verdict(result: classify_pb2.Classification) -> guard_pb2.GuardVerdict:
    return result.verdict if result.verdict.decision in _SEVERITY else _UNPARSEABLE


def _worst(verdicts: Sequence[guard_pb2.GuardVerdict]) -> guard_pb2.GuardVerdict:
    """The worst decision, with the highest probability and all categories that were found."""
    worst = max(verdicts, key=lambda verdict: _SEVERITY.index(verdict.decision))
    probabilities = [v.unsafe_probability for v in verdicts if v.HasField("unsafe_probability")]
    return guard_pb2.GuardVerdict(
        decision=worst.decision,
        unsafe_probability=max(probabilities, default=None),
        categories=list(dict.fromkeys(category for verdict in verdicts for category in verdict.categories)),
        judged_role=worst.judged_role,
    )
