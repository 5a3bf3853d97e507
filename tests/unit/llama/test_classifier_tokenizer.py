"""Tokenizers of classifiers: no text becomes a control token, and spans say which text an id stands for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama.tokenizer import Tokenizer, TokenizerError
from tests import classifier
from tests.classifier import CLS, SEP, SPECIAL, UNK

LIBRARY = {"Unigram": classifier.unigram(), "WordPiece": classifier.wordpiece()}
READ = {kind: Tokenizer(library.to_str()) for kind, library in LIBRARY.items()}
hostile = st.lists(st.sampled_from([*SPECIAL, "[", "]", "CLS", " ", "\u2581", "ignore", "é"]) | st.text()).map("".join)
kinds = pytest.mark.parametrize("kind", READ)


@kinds
def test_kind_and_surroundings_are_told(kind):
    assert READ[kind].kind == kind
    assert (READ[kind].prefix, READ[kind].suffix) == ((CLS,), (SEP,))


@kinds
@given(text=hostile)
def test_no_text_becomes_a_control_token(kind, text):
    assert not {*range(len(SPECIAL))} - {UNK} & set(READ[kind].encode(text))


@kinds
@given(text=st.text().filter(lambda text: not any(name in text for name in SPECIAL)))
def test_ordinary_text_has_the_ids_and_spans_of_the_library(kind, text):
    library = LIBRARY[kind].encode(text, add_special_tokens=False)
    assert READ[kind].encode_with_spans(text) == (library.ids, library.offsets)
    assert READ[kind].encode(text) == library.ids


def test_the_library_itself_takes_a_piece_of_the_vocabulary_for_a_control_token():
    """What the tokenizer is guarded against: Unigram finds `[CLS]` in its vocabulary though it is no added token."""
    spec = json.loads(LIBRARY["Unigram"].to_str()) | {"added_tokens": []}
    naive = type(LIBRARY["Unigram"]).from_str(json.dumps(spec))
    assert CLS in naive.encode("x[CLS]", add_special_tokens=False).ids
    assert CLS not in READ["Unigram"].encode("x[CLS]")


@pytest.mark.parametrize("kind", READ)
def test_tokens_that_are_placed_but_not_marked_special_are_out_of_reach(kind):
    spec = json.loads(LIBRARY[kind].to_str())
    spec["added_tokens"] = []
    read = Tokenizer(json.dumps(spec))
    assert not {CLS, SEP} & set(read.encode("[CLS] x [SEP]x[CLS]"))


@kinds
def test_padding_and_truncation_of_the_file_are_left_alone(kind):
    library = type(LIBRARY[kind]).from_str(LIBRARY[kind].to_str())
    library.enable_padding(length=16)
    library.enable_truncation(4)
    read = Tokenizer(library.to_str())
    assert (read.prefix, read.suffix) == ((CLS,), (SEP,))
    assert read.encode("the horse stands in the paddock") == READ[kind].encode("the horse stands in the paddock")


def test_pieces_are_text():
    unigram, wordpiece = READ["Unigram"], READ["WordPiece"]
    joined = b"".join(map(unigram.piece, unigram.encode("the horse stands")))
    assert joined.strip() == b"the horse stands"
    assert b"".join(map(wordpiece.piece, wordpiece.encode("the horse stands"))).strip() == b"the horse stands"


def test_an_unknown_kind_is_refused():
    spec = json.loads(LIBRARY["WordPiece"].to_str())
    del spec["model"]["type"]
    with pytest.raises(TokenizerError, match="not one of BPE"):
        Tokenizer(json.dumps(spec))
