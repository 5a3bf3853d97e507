"""Requests that can't be computed are named by field; messages hold nothing of the request."""

from __future__ import annotations

import pytest

from backends.base import check_request
from backends.errors import InvalidRequestError
from backends.types import Capabilities, Feature, GenerationRequest, Sampling

CAPABILITIES = Capabilities(
    context_length=100, vocab_size=300, max_concurrency=1, features=frozenset(Feature), max_logprobs=20
)


def request(ids=(11, 7), max_tokens=24, **fields):
    sampling = {name: fields.pop(name) for name in Sampling.__dataclass_fields__ if name in fields}
    settings = Sampling(**{"seed": 0, **sampling})
    return GenerationRequest(prompt=tuple(ids), max_tokens=max_tokens, sampling=settings, **fields)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("prompt", {"ids": (4, 300)}),
        ("continuation", {"continuation": (-777,)}),
        ("stop_token_ids", {"stop_token_ids": frozenset({777})}),
        ("stop_token_ids", {"stop_token_ids": frozenset(range(300)), "min_tokens": 1}),
        ("max_tokens", {"max_tokens": 2, "continuation": (1, 2)}),
        ("min_tokens", {"min_tokens": -777}),
        ("logprobs", {"logprobs": 21}),
        ("prompt_logprobs", {"prompt_logprobs": 21}),
        ("sampling.temperature", {"temperature": float("nan")}),
        ("sampling.logit_bias", {"logit_bias": ((777, 1.0),)}),
        ("sampling.logit_bias", {"logit_bias": ((7, 777.0),)}),
        ("sampling.logit_bias", {"logit_bias": ((7, 1.0), (7, 1.0))}),
    ],
)
def test_refused(field, fields):
    with pytest.raises(InvalidRequestError) as caught:
        check_request(request(**fields), CAPABILITIES)
    assert caught.value.field == field
    assert "777" not in str(caught.value)


def test_accepted():
    check_request(request(range(99), 10**9, min_tokens=10**9, logprobs=20, prompt_logprobs=0), CAPABILITIES)
    check_request(request((299,), 1, seed=2**64 - 1, top_k=10**6, top_p=1.0, min_p=1.0), CAPABILITIES)
