"""Holding answers to grammars, with xgrammar: what ids spell, and which may come next."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import xgrammar
from torch import Tensor

from backends.errors import BackendError, ComputeError, InvalidRequestError
from backends.types import GenerationRequest

_PATIENCE_S = 1.0
_PATIENCE_PER_TOKEN_S = 0.005
"""Processor time that a request may take of the step thread for its grammar: an ambiguous one takes more and more."""

_TOO_SLOW = "the grammar takes too long to follow: it is too ambiguous"

T = TypeVar("T")


def read_vocabulary(checkpoint: str, vocab_size: int) -> xgrammar.TokenizerInfo | None:
    """Read what a model's ids spell from its `tokenizer.json`; None where that is absent or isn't BPE.

    Added tokens are left blank, so that no grammar reaches one: they control the model, whatever they are spelled like.
    """
    try:
        spec = json.loads((Path(checkpoint) / "tokenizer.json").read_text(encoding="utf-8"))
        vocab, added = spec["model"]["vocab"], {token["id"] for token in spec.get("added_tokens") or ()}
        bpe = spec["model"].get("type") == "BPE"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not bpe:
        return None
    pieces = [""] * vocab_size
    for piece, token_id in vocab.items():
        if token_id < vocab_size and token_id not in added:
            pieces[token_id] = piece
    kind = xgrammar.VocabType.BYTE_LEVEL if _is_byte_level(spec.get("decoder")) else xgrammar.VocabType.BYTE_FALLBACK
    # No stop ids here: each request brings its own, and the library would let the blank ones of these through.
    return xgrammar.TokenizerInfo(pieces, kind, vocab_size=vocab_size, stop_token_ids=[])


def _is_byte_level(decoder: Any) -> bool:
    if not isinstance(decoder, dict):
        return False
    return decoder.get("type") == "ByteLevel" or any(map(_is_byte_level, decoder.get("decoders", ())))


class Follower:
    """Where one answer is in its grammar. Belongs to one thread at a time."""

    def __init__(self, compiled: xgrammar.CompiledGrammar, request: GenerationRequest) -> None:
        """Follow the continuation.

        Raises:
            InvalidRequestError: the grammar does not allow it; or there is no stop token to end with.
        """
        if not request.stop_token_ids:
            raise InvalidRequestError("stop_token_ids", "must hold one to end with, as there is a grammar")
        self._matcher = xgrammar.GrammarMatcher(compiled, override_stop_tokens=sorted(request.stop_token_ids))
        self._spent_s = 0.0
        self._tokens = 0
        for token_id in request.continuation:
            self._tokens += 1
            if not self._timed(self._matcher.accept_token, token_id):
                raise InvalidRequestError("continuation", "must be allowed by the grammar")
            if self._too_slow:
                raise InvalidRequestError("grammar", _TOO_SLOW)

    @property
    def _too_slow(self) -> bool:
        return self._spent_s > _PATIENCE_S + _PATIENCE_PER_TOKEN_S * self._tokens

    def fill(self, bitmask: Tensor, row: int) -> None:
        """Mark in a row the ids that may come next."""
        self._timed(self._matcher.fill_next_token_bitmask, bitmask, row)

    def take(self, token_id: int) -> BackendError | None:
        """Go on by an id, and give what keeps the answer from going on, if anything does."""
        self._tokens += 1
        if not self._timed(self._matcher.accept_token, token_id):
            return ComputeError("the grammar does not allow what was chosen by it")
        return InvalidRequestError("grammar", _TOO_SLOW) if self._too_slow else None

    def _timed(self, function: Callable[..., T], *arguments: Any) -> T:
        started = time.thread_time()
        result = function(*arguments)
        self._spent_s += time.thread_time() - started
        return result


def allowed_ids(followers: Sequence[Follower | None], vocab_size: int) -> Tensor:
    """Tell which ids may come next, as bools [len(followers), vocab_size] on CPU; all, where there is no grammar."""
    bitmask = xgrammar.allocate_token_bitmask(len(followers), vocab_size)
    for row, follower in enumerate(followers):
        if follower is not None:
            follower.fill(bitmask, row)
    bits = np.unpackbits(bitmask.numpy().view(np.uint8), axis=1, bitorder="little")[:, :vocab_size]
    return torch.from_numpy(bits.view(np.bool_))
