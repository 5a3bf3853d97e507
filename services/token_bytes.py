"""Tokens as they stand on the wire, kept by id: to read encoded messages takes less time than to make them of fields.

Encoded messages that are joined are one message, the repeated fields of all in order
(https://protobuf.dev/programming-guides/encoding/#last-one-wins). A cache holds at most the vocabulary.
"""

from __future__ import annotations

from itertools import accumulate

from llama.chat import EncodedPrompt
from llama.tokenizer import Tokenizer
from paddock.v1 import generate_pb2, tokenize_pb2


class TokenBytes(dict[int, bytes]):
    """Tokens without logprobs, as `TokenDelta` has them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def __missing__(self, token_id: int) -> bytes:
        token = generate_pb2.Token(id=token_id, piece=self.tokenizer.piece(token_id))
        encoded = self[token_id] = generate_pb2.TokenDelta(tokens=[token]).SerializeToString()
        return encoded


class SpanBytes(dict[int, bytes]):
    """Tokens with their place, as `TokenizeResponse` has them: kept up to the place, which is written behind."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, token_id: int) -> bytes:
        span = tokenize_pb2.TokenSpan(id=token_id, piece=self._tokenizer.piece(token_id), start=_TWO, end=_TWO)
        encoded = tokenize_pb2.TokenizeResponse(tokens=[span]).SerializeToString()
        kept = self[token_id] = encoded[: -2 * _PLACE]
        return kept

    def tokenized(self, encoded: EncodedPrompt, context_length: int) -> tokenize_pb2.TokenizeResponse:
        """Tell ids with the bytes that they stand for."""
        response = tokenize_pb2.TokenizeResponse(
            token_count=len(encoded.token_ids),
            context_length=context_length,
            neutralized_sequences=encoded.neutralized,
        )
        pieces = self._tokenizer.pieces(encoded.token_ids)
        ends = list(accumulate(map(len, pieces), initial=0))
        if ends[-1] < len(_STARTS):
            parts = [b""] * (3 * len(pieces))
            parts[::3] = map(self.__getitem__, encoded.token_ids)
            parts[1::3] = map(_STARTS.__getitem__, ends[:-1])
            parts[2::3] = map(_ENDS.__getitem__, ends[1:])
            response.MergeFromString(b"".join(parts))
            return response
        add = response.tokens.add  # made in their place, field by field: a list of messages takes twice the time
        for token_id, piece, end in zip(encoded.token_ids, pieces, ends[1:], strict=True):
            token = add()
            token.id = token_id
            token.piece = piece
            token.start = end - len(piece)
            token.end = end
        return response


def _places(number: int) -> list[bytes]:
    """Encode field `number` with each value below 2^14 as two bytes of seven bits, which are as many as it may take."""
    return [bytes((number << 3, value & 127 | 128, value >> 7)) for value in range(2**14)]


_TWO = 2**14 - 1
"""A place of two bytes."""

_STARTS = _places(tokenize_pb2.TokenSpan.START_FIELD_NUMBER)
_ENDS = _places(tokenize_pb2.TokenSpan.END_FIELD_NUMBER)
_PLACE = len(_STARTS[0])
