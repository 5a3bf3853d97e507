"""services.token_bytes: what is kept as bytes reads as the message that its fields make."""

from hypothesis import given, settings
from hypothesis import strategies as st

from llama.chat import EncodedPrompt
from llama.tokenizer import Tokenizer
from paddock.v1.tokenize_pb2 import TokenizeResponse, TokenSpan
from services.token_bytes import SpanBytes


def expected(tokenizer, token_ids):
    """Build the answer field by field, from nothing but the pieces."""
    spans, end = [], 0
    for token_id in token_ids:
        piece = tokenizer.piece(token_id)
        spans.append(TokenSpan(id=token_id, piece=piece, start=end, end=end + len(piece)))
        end += len(piece)
    return TokenizeResponse(tokens=spans, token_count=len(spans), context_length=7, neutralized_sequences=2)


@settings(max_examples=50)
@given(st.data())
def test_spans_of_any_ids_and_any_length(checkpoint, data):
    tokenizer = Tokenizer((checkpoint / "tokenizer.json").read_text())
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=40))
    ids *= data.draw(st.sampled_from([1, 5, 1000]))  # below and beyond what two bytes tell

    answer = SpanBytes(tokenizer).tokenized(EncodedPrompt(ids, 2), 7)

    assert answer == expected(tokenizer, ids)
    assert answer.SerializeToString(deterministic=True) == expected(tokenizer, ids).SerializeToString(
        deterministic=True
    )


def test_places_at_the_border_of_what_two_bytes_tell(checkpoint):
    tokenizer = Tokenizer((checkpoint / "tokenizer.json").read_text())
    one = next(i for i in range(tokenizer.vocab_size) if len(tokenizer.piece(i)) == 1)
    for count in (126, 127, 128, 129, 2**14 - 1, 2**14, 2**14 + 1):
        assert SpanBytes(tokenizer).tokenized(EncodedPrompt([one] * count, 2), 7) == expected(tokenizer, [one] * count)
