"""What every backend refuses alike, before a request takes a slot: part of the contract (`backends/base.py`).

Messages name the field and the rule, never what was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from math import isfinite

from backends.errors import ContextLengthError, InvalidRequestError, UnsupportedError
from backends.types import Capabilities, Feature, GenerationRequest, Sampling


def check_request(request: GenerationRequest, capabilities: Capabilities) -> None:
    """Accept a request, or say why not.

    Raises:
        UnsupportedError: it needs a feature that is absent.
        InvalidRequestError: a field has no meaning; a subclass where the tokens don't fit.
    """
    for feature in Feature:
        if feature not in capabilities.features and _needs(request, feature):
            raise UnsupportedError(feature.value)
    if request.grammar is not None and request.continuation and not capabilities.resumes_grammar:
        raise UnsupportedError(Feature.CONTINUATION.value)
    rules = chain(_request_rules(request, capabilities), _sampling_rules(request.sampling, capabilities.vocab_size))
    for field, holds, rule in rules:
        if not holds:
            raise InvalidRequestError(field, rule)
    given = len(request.prompt) + len(request.continuation)
    if given >= capabilities.context_length:
        raise ContextLengthError(given, capabilities.context_length - 1)


def check_windows(windows: Sequence[Sequence[int]], capabilities: Capabilities) -> None:
    """Accept the windows given to a classifier, or say why not.

    Raises:
        InvalidRequestError: a window is empty or holds an id out of range; a subclass where it is too long.
    """
    for window in windows:
        if not window or not _within(window, capabilities.vocab_size):
            raise InvalidRequestError("windows", f"each must hold ids in [0, {capabilities.vocab_size})")
        if len(window) > capabilities.context_length:
            raise ContextLengthError(len(window), capabilities.context_length)


def _needs(request: GenerationRequest, feature: Feature) -> bool:
    sampling = request.sampling
    return {
        Feature.TOP_K: sampling.top_k != 0,
        Feature.TOP_P: sampling.top_p != 1.0,
        Feature.MIN_P: sampling.min_p != 0.0,
        Feature.REPETITION_PENALTY: sampling.repetition_penalty != 1.0,
        Feature.PRESENCE_PENALTY: sampling.presence_penalty != 0.0,
        Feature.FREQUENCY_PENALTY: sampling.frequency_penalty != 0.0,
        Feature.LOGIT_BIAS: bool(sampling.logit_bias),
        Feature.MIN_TOKENS: request.min_tokens != 0,
        Feature.LOGPROBS: request.logprobs is not None,
        Feature.PROMPT_LOGPROBS: request.prompt_logprobs is not None,
        Feature.CONTINUATION: bool(request.continuation),
        Feature.GRAMMAR: request.grammar is not None,
    }[feature]


_Rule = tuple[str, bool, str]
"""A field's path, whether the rule about it holds, and the rule."""


def _request_rules(request: GenerationRequest, capabilities: Capabilities) -> Iterator[_Rule]:
    size, most = capabilities.vocab_size, capabilities.max_logprobs
    ids = f"ids must be in [0, {size})"
    spares_one = not request.min_tokens or len(request.stop_token_ids) < size
    yield "prompt", bool(request.prompt), "must hold at least one id"
    yield "prompt", _within(request.prompt, size), ids
    yield "continuation", _within(request.continuation, size), ids
    yield "max_tokens", request.max_tokens > len(request.continuation), "must exceed the continuation's length"
    yield "min_tokens", request.min_tokens >= 0, "must be at least 0"
    yield "stop_token_ids", _within(request.stop_token_ids, size), ids
    yield "stop_token_ids", spares_one, "must leave another id to reach min_tokens with"
    yield "logprobs", 0 <= (request.logprobs or 0) <= most, f"must be in [0, {most}]"
    yield "prompt_logprobs", 0 <= (request.prompt_logprobs or 0) <= most, f"must be in [0, {most}]"


def _sampling_rules(sampling: Sampling, size: int) -> Iterator[_Rule]:
    bias_ids, biases = [pair[0] for pair in sampling.logit_bias], [pair[1] for pair in sampling.logit_bias]
    repetition, temperature = sampling.repetition_penalty, sampling.temperature
    yield "sampling.repetition_penalty", isfinite(repetition) and repetition > 0, "must be above 0"
    yield "sampling.presence_penalty", -2 <= sampling.presence_penalty <= 2, "must be in [-2, 2]"
    yield "sampling.frequency_penalty", -2 <= sampling.frequency_penalty <= 2, "must be in [-2, 2]"
    yield "sampling.logit_bias", _within(bias_ids, size), f"ids must be in [0, {size})"
    yield "sampling.logit_bias", len(set(bias_ids)) == len(bias_ids), "must hold no id twice"
    yield "sampling.logit_bias", all(-100 <= bias <= 100 for bias in biases), "biases must be in [-100, 100]"
    yield "sampling.temperature", isfinite(temperature) and temperature >= 0, "must be at least 0"
    yield "sampling.top_k", sampling.top_k >= 0, "must be at least 0"
    yield "sampling.top_p", 0 < sampling.top_p <= 1, "must be in (0, 1]"
    yield "sampling.min_p", 0 <= sampling.min_p <= 1, "must be in [0, 1]"
    yield "sampling.seed", 0 <= sampling.seed < 2**64, "must be in [0, 2**64)"


def _within(token_ids: Collection[int], vocab_size: int) -> bool:
    return not token_ids or (min(token_ids) >= 0 and max(token_ids) < vocab_size)
