"""The tokenizer has Llama 3.1's control names at its end, covers all bytes, and splits digits."""

import datetime
import json
from pathlib import Path

import pytest

from llama.chat import ChatEncoder, Message, Tool
from llama.tokenizer import Tokenizer
from models.training.tokenizer import CONSTANT_TEXTS, CONTROL_TOKENS

_FOLDER = Path(__file__).parents[3] / "models" / "paddock-tiny"
_NAMES = (
    "begin_of_text",
    "end_of_text",
    "finetune_right_pad_id",
    "start_header_id",
    "end_header_id",
    "eom_id",
    "eot_id",
    "python_tag",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer((_FOLDER / "tokenizer.json").read_text(encoding="utf-8"))


def test_control_tokens_end_the_vocabulary(tokenizer: Tokenizer) -> None:
    size = json.loads((_FOLDER / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    first = size - len(CONTROL_TOKENS)
    assert tokenizer.control_ids == {name: first + i for i, name in enumerate(CONTROL_TOKENS)}
    assert {f"<|{name}|>" for name in _NAMES} <= tokenizer.control_ids.keys()
    assert tokenizer.vocab_size == size
    assert size % 64 == 0


def test_a_raw_prompt_begins_with_begin_of_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.bos_id == tokenizer.control_ids["<|begin_of_text|>"]


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world!",
        "Größe çà ñ",
        "नमस्ते दुनिया",
        "สวัสดีชาวโลก",
        "日本語 \U0001f40e",
        "a\r\n\n\t b  c ",
        "".join(map(chr, range(256))),
    ],
)
def test_any_text_survives(tokenizer: Tokenizer, text: str) -> None:
    assert b"".join(map(tokenizer.piece, tokenizer.encode(text))).decode() == text


def test_every_byte_has_a_token(tokenizer: Tokenizer) -> None:
    pieces = {tokenizer.piece(i) for i in range(tokenizer.vocab_size)}
    assert {bytes([value]) for value in range(256)} <= pieces


def test_digits_stand_alone(tokenizer: Tokenizer) -> None:
    assert [tokenizer.piece(i) for i in tokenizer.encode("1024")] == [b"1", b"0", b"2", b"4"]


@pytest.mark.parametrize("around", ["{}", ": {}", '"{}"', "a {} b", "({})", "- {}\n", "x_{}", "{}: 1"])
@pytest.mark.parametrize("word", ["Paris", "paris", "zorvik", "weather", "दिल्ली"])
def test_a_word_is_the_same_tokens_wherever_it_stands(tokenizer: Tokenizer, word: str, around: str) -> None:
    before, after = around.split("{}")
    expected = [*tokenizer.encode(before), *tokenizer.encode(word), *tokenizer.encode(after)]
    assert tokenizer.encode(around.format(word)) == expected


def test_what_the_layout_always_says_is_one_token_each(tokenizer: Tokenizer) -> None:
    assert [len(tokenizer.encode(text)) for text in CONSTANT_TEXTS] == [1, 1]
    tool = Tool("get_weather", "Get the weather.", {"type": "object", "properties": {}})
    encoded = ChatEncoder(tokenizer).encode([Message("user", "Hi")], tools=[tool], today=datetime.date(2026, 11, 23))
    assert {tokenizer.encode(text)[0] for text in CONSTANT_TEXTS} <= set(encoded.token_ids)
