"""What a request must satisfy before it is queued. Pure Python: runs on the event loop, linear in the request.

Messages name the field and the rule, never what was given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from backends.errors import ContextLengthError, InvalidRequestError
from backends.types import Capabilities, GenerationRequest, Sampling

_SEED_LIMIT = 2**64


def check_request(request: GenerationRequest, capabilities: Capabilities) -> None:
    """Refuse what can't be computed as given.

    Raises:
        InvalidRequestError: naming the field at fault.
        ContextLengthError: prompt and continuation leave no room for one more token.
    """
    vocab_size = capabilities.vocab_size
    if not request.prompt:
        raise InvalidRequestError("prompt", "holds no token")
    _check_ids("prompt", request.prompt, vocab_size)
    _check_ids("continuation", request.continuation, vocab_size)
    _check_ids("stop_token_ids", request.stop_token_ids, vocab_size)
    given = len(request.prompt) + len(request.continuation)
    if given >= capabilities.context_length:
        raise ContextLengthError(given, capabilities.context_length - 1)
    if request.max_tokens <= len(request.continuation):
        raise InvalidRequestError("max_tokens", f"must exceed the continuation's {len(request.continuation)}")
    if request.min_tokens < 0:
        raise InvalidRequestError("min_tokens", "must be at least 0")
    if request.min_tokens and len(request.stop_token_ids) >= vocab_size:
        raise InvalidRequestError("stop_token_ids", "every id stops, which leaves none for min_tokens")
    _check_count("logprobs", request.logprobs, capabilities.max_logprobs)
    _check_count("prompt_logprobs", request.prompt_logprobs, capabilities.max_logprobs)
    _check_sampling(request.sampling, vocab_size)


def _check_ids(field: str, ids: Iterable[int], vocab_size: int) -> None:
    ids = tuple(ids)
    low, high = min(ids, default=0), max(ids, default=0)
    if low < 0 or high >= vocab_size:
        raise InvalidRequestError(field, f"holds a token id outside [0, {vocab_size})")


def _check_count(field: str, count: int | None, limit: int) -> None:
    if count is not None and not 0 <= count <= limit:
        raise InvalidRequestError(field, f"must lie in [0, {limit}]")


def _check_sampling(sampling: Sampling, vocab_size: int) -> None:
    _check("seed", 0 <= sampling.seed < _SEED_LIMIT, "must lie in [0, 2**64)")
    _check("temperature", 0 <= sampling.temperature < math.inf, "must be finite and at least 0")
    _check("top_k", sampling.top_k >= 0, "must be at least 0")
    _check("top_p", 0 < sampling.top_p <= 1, "must lie in (0, 1]")
    _check("min_p", 0 <= sampling.min_p <= 1, "must lie in [0, 1]")
    _check("repetition_penalty", 0 < sampling.repetition_penalty < math.inf, "must be finite and above 0")
    _check("presence_penalty", -2 <= sampling.presence_penalty <= 2, "must lie in [-2, 2]")
    _check("frequency_penalty", -2 <= sampling.frequency_penalty <= 2, "must lie in [-2, 2]")
    _check_ids("sampling.logit_bias", (token for token, _ in sampling.logit_bias), vocab_size)
    biased = {token for token, _ in sampling.logit_bias}
    _check("logit_bias", len(biased) == len(sampling.logit_bias), "names an id twice")
    _check("logit_bias", all(-100 <= bias <= 100 for _, bias in sampling.logit_bias), "must lie in [-100, 100]")


def _check(name: str, holds: bool, rule: str) -> None:
    if not holds:
        raise InvalidRequestError(f"sampling.{name}", rule)
