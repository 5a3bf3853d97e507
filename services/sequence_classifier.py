"""Classify by a sequence classifier: texts in windows, all of a request's handed to the backend at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from backends.base import Backend
from backends.types import Capabilities
from llama.score import attack_probability, sigmoid, softmax
from llama.tokenizer import Tokenizer
from llama.window import Window, respace, split
from paddock.v1 import generate_pb2, guard_pb2
from paddock.v1.classify_pb2 import Classification, ClassifyRequest, ClassifyResponse, LabelScore, WindowScore
from services.checks import Checks
from services.subject import Subject, read_subjects

_MAX_TOKENS = 262_144
"""Of all windows of a request: some 600 windows of 512."""

_UNSAFE_FROM = 0.5
"""Probability of an attack from which on a prompt guard's verdict is UNSAFE."""

Scores = Callable[[Sequence[float], float], list[float]]
"""From logits and a temperature to probabilities."""


class SequenceClassifier:
    """Scores texts; of a conversation the last message's.

    Args:
        tokenizer: the classifier's.
        capabilities: of its backend: its labels, and its context length, which is the size of a window.
        multi_label: whether its labels are independent of each other, each with a sigmoid, and no softmax over all.
        prompt_guard: whether its labels are those of Prompt Guard.
    """

    def __init__(
        self, tokenizer: Tokenizer, capabilities: Capabilities, *, multi_label: bool, prompt_guard: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._size = capabilities.context_length
        self._labels = capabilities.labels
        self._scores: Scores = sigmoid if multi_label or len(self._labels) == 1 else softmax
        self._prompt_guard = prompt_guard

    def prepare(self, request: ClassifyRequest) -> _Work:
        """Check and encode a request.

        Raises:
            InvalidArgumentError: with every field at fault.
        """
        checks = Checks()
        temperature = request.temperature if request.HasField("temperature") else 1.0
        checks.require(0 < temperature <= 100, "temperature", f"{temperature:g} is not in (0, 100]")
        for name in ("excluded_categories", "added_categories"):
            checks.require(not getattr(request, name), name, "are for guards that know categories")
        normalized = request.HasField("normalize_spacing")
        checks.require(self._prompt_guard or not normalized, "normalize_spacing", "is for prompt guards")
        respaced = self._prompt_guard and (request.normalize_spacing or not normalized)
        subjects = read_subjects(request, checks)
        checks.done()
        texts = [self._text(subject, respaced) for subject in subjects]
        for text in texts:
            checks.require(bool(text.windows[0].token_ids), text.subject.path, "holds no token to score")
        tokens = sum(text.tokens for text in texts)
        checks.require(tokens <= _MAX_TOKENS, "inputs", f"{tokens} tokens in windows; at most {_MAX_TOKENS}")
        checks.done()
        return _Work(self, texts, temperature)

    def _text(self, subject: Subject, respaced: bool) -> _Text:
        text, tokenizer = subject.messages[-1].content, self._tokenizer
        windows = split(text, tokenizer, self._size, respace(text, tokenizer) if respaced else None)
        return _Text(subject, windows, tokenizer.count_control(text))

    def response(self, work: _Work, logits: Sequence[Sequence[float]]) -> ClassifyResponse:
        """Write what came of a request's windows."""
        rows = iter([self._scores(row, work.temperature) for row in logits])
        results = [self._classification(text, list(islice(rows, len(text.windows)))) for text in work.texts]
        tokens = sum(text.tokens for text in work.texts)
        return ClassifyResponse(results=results, usage=generate_pb2.Usage(prompt_tokens=tokens, total_tokens=tokens))

    def _classification(self, text: _Text, scores: Sequence[Sequence[float]]) -> Classification:
        result = Classification(
            labels=self._label_scores([max(column) for column in zip(*scores, strict=True)]),
            neutralized_sequences=text.neutralized,
        )
        if len(text.windows) > 1:
            result.windows.extend(
                WindowScore(start=window.start, end=window.end, labels=self._label_scores(row))
                for window, row in zip(text.windows, scores, strict=True)
            )
        if self._prompt_guard:
            unsafe = max(attack_probability(row, text.subject.third_party) for row in scores)
            result.verdict.CopyFrom(_verdict(unsafe, text.subject))
        return result

    def _label_scores(self, probabilities: Sequence[float]) -> list[LabelScore]:
        return [LabelScore(label=label, score=p) for label, p in zip(self._labels, probabilities, strict=True)]


@dataclass(frozen=True, slots=True)
class _Text:
    """One text, in windows; `neutralized` is how often it spelled a control token."""

    subject: Subject
    windows: Sequence[Window]
    neutralized: int

    @property
    def tokens(self) -> int:
        return sum(len(window.token_ids) for window in self.windows)


@dataclass(frozen=True, slots=True)
class _Work:
    """A checked request: one output to admission, however many windows it has, since they take turns with others'."""

    classifier: SequenceClassifier
    texts: Sequence[_Text]
    temperature: float
    outputs: int = 1

    async def run(self, backend: Backend) -> ClassifyResponse:
        """Score it."""
        logits = await backend.classify([window.token_ids for text in self.texts for window in text.windows])
        return self.classifier.response(self, logits)


def _verdict(unsafe: float, subject: Subject) -> guard_pb2.GuardVerdict:
    return guard_pb2.GuardVerdict(
        decision=guard_pb2.GUARD_DECISION_UNSAFE if unsafe >= _UNSAFE_FROM else guard_pb2.GUARD_DECISION_SAFE,
        unsafe_probability=unsafe,
        judged_role=subject.role,
    )
