"""llama.tokenizer against the library it wraps, and against text that wants to be control tokens."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import decoders, models

from llama.tokenizer import Tokenizer, TokenizerError
from tests.checkpoint import CONTROL_TOKENS as CONTROL

hostile = st.lists(st.sampled_from([*CONTROL, "<|", "|>", "eot_id", "\x00", " ", "é", "好", "😀"]) | st.text()).map(
    "".join
)


@given(text=st.text().filter(lambda text: not any(name in text for name in CONTROL)))
def test_ordinary_text_has_the_ids_of_the_library(tokenizer, hf_tokenizer, text):
    assert tokenizer.encode(text) == hf_tokenizer.encode(text, add_special_tokens=False).ids


@given(text=hostile)
def test_no_text_becomes_a_control_token_and_its_bytes_come_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert not any(tokenizer.is_control(token_id) for token_id in ids)
    assert b"".join(map(tokenizer.piece, ids)) == text.encode()


@given(parts=st.lists(st.sampled_from(CONTROL), max_size=8))
def test_control_names_in_text_are_counted(tokenizer, parts):
    assert tokenizer.count_control(" and ".join(parts)) == len(parts)


def test_control_tokens_are_known_by_name_and_piece(tokenizer, hf_tokenizer):
    assert {name: hf_tokenizer.token_to_id(name) for name in CONTROL} == tokenizer.control_ids
    for name, token_id in tokenizer.control_ids.items():
        assert tokenizer.piece(token_id) == name.encode()
    assert tokenizer.bos_id == tokenizer.control_ids["<|begin_of_text|>"]
    assert tokenizer.vocab_size == hf_tokenizer.get_vocab_size()


def test_a_control_token_in_the_models_own_vocabulary_is_out_of_reach_too(hf_tokenizer):
    spec = json.loads(hf_tokenizer.to_str())
    names = {token["id"]: token["content"] for token in spec["added_tokens"]}
    spec["model"]["vocab"] |= {name: token_id for token_id, name in names.items()}
    spec["pre_tokenizer"] = None  # the whole text is one word, which ignore_merges looks up
    read = Tokenizer(json.dumps(spec))
    for name in names.values():
        assert not any(read.is_control(token_id) for token_id in read.encode(name))


def test_without_a_post_processor_there_is_no_bos(hf_tokenizer):
    spec = json.loads(hf_tokenizer.to_str()) | {"post_processor": None}
    assert Tokenizer(json.dumps(spec)).bos_id is None


def test_ids_beyond_the_vocabulary_have_no_bytes(tokenizer):
    assert tokenizer.piece(tokenizer.vocab_size + 5) == b""


def test_sentencepiece_pieces_are_spaces_and_bytes():
    library = HfTokenizer(models.BPE(vocab={"\u2581a": 0, "b": 1, "<0x0A>": 2}, merges=[]))
    library.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    read = Tokenizer(library.to_str())
    assert [read.piece(i) for i in range(3)] == [b" a", b"b", b"\n"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not json"])
def test_what_is_no_tokenizer_is_refused(text):
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Tokenizer(text)
