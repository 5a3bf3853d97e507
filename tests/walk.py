"""Walking through a grammar without a model: any token that it allows may be next, until it ends."""

from __future__ import annotations

import json
import random
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import xgrammar
from numpy.typing import NDArray

from backends.transformers.grammar import read_vocabulary
from llama.tokenizer import Tokenizer

TINY = Path(__file__).resolve().parents[1] / "models" / "paddock-tiny"
VOCAB_SIZE: int = json.loads((TINY / "config.json").read_text(encoding="utf-8"))["vocab_size"]


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer((TINY / "tokenizer.json").read_text(encoding="utf-8"))


STOP = tokenizer().control_ids["<|eot_id|>"]


@lru_cache(maxsize=8)
def compiled(source: str) -> xgrammar.CompiledGrammar:
    vocabulary = read_vocabulary(str(TINY), VOCAB_SIZE)
    assert vocabulary is not None
    return xgrammar.GrammarCompiler(vocabulary, max_threads=1, cache_enabled=False).compile_grammar(source)


@cache
def ids_of(*pieces: bytes) -> NDArray[np.bool_]:
    return np.array([tokenizer().piece(token_id) in pieces for token_id in range(VOCAB_SIZE)])


@cache
def control_ids() -> NDArray[np.bool_]:
    return np.array([tokenizer().is_control(token_id) for token_id in range(VOCAB_SIZE)])


def accepts(source: str, text: str) -> bool:
    """Tell whether a whole text is as the grammar has it."""
    matcher = xgrammar.GrammarMatcher(compiled(source), override_stop_tokens=[STOP])
    return matcher.accept_string(text) and matcher.accept_token(STOP)


def misjudged(source: str, begun: str) -> list[bytes]:
    """List the tokens that the mask allows and that may not come next, or the other way round."""
    matcher = xgrammar.GrammarMatcher(compiled(source), override_stop_tokens=[STOP])
    assert matcher.accept_string(begun)
    bitmask = xgrammar.allocate_token_bitmask(1, VOCAB_SIZE)
    matcher.fill_next_token_bitmask(bitmask)
    allowed = np.unpackbits(bitmask.numpy().view(np.uint8), bitorder="little")[:VOCAB_SIZE].astype(np.bool_)
    return [
        tokenizer().piece(token_id)
        for token_id in range(tokenizer().vocab_size)
        if matcher.fork().accept_token(token_id) != allowed[token_id]
    ]


def walk(source: str, seed: int, *, most: int = 200) -> str | None:
    """Give a text that ended by the grammar's own end; None where it went on for `most` tokens.

    Closing tokens are favoured, or hardly any walk would end.
    """
    choice = random.Random(seed)
    matcher = xgrammar.GrammarMatcher(compiled(source), override_stop_tokens=[STOP])
    bitmask, pieces = xgrammar.allocate_token_bitmask(1, VOCAB_SIZE), list[bytes]()
    for _ in range(most):
        matcher.fill_next_token_bitmask(bitmask)
        allowed = np.unpackbits(bitmask.numpy().view(np.uint8), bitorder="little")[:VOCAB_SIZE].astype(np.bool_)
        assert allowed.any(), "nothing may come next, not even the end"
        if allowed[STOP] and (allowed.sum() == 1 or choice.random() < 0.3):
            return b"".join(pieces).decode()
        allowed[STOP] = False
        assert not (allowed & control_ids()).any()
        closing = allowed & ids_of(b'"', b"}", b"]", b'"}', b'"]')
        token_id = choice.choice(
            np.flatnonzero(closing if closing.any() and choice.random() < 0.3 else allowed).tolist()
        )
        assert matcher.accept_token(token_id)
        pieces.append(tokenizer().piece(token_id))
    return None
