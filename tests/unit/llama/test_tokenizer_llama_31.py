"""llama.tokenizer with Llama 3.1's real tokenizer, against Meta's own and against the `tokenizers` library."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.llama_31 import FIRST_CONTROL

LANGUAGES = {
    "English": "It's what they'd call a well-known fact; I'LL bet you've heard it 1,234 times since 1999!",
    "German": "Äpfel, Öl und Übermut: die Straßenbahngesellschaft fährt größtenteils pünktlich.",
    "French": "L'été dernier, où es-tu allé ? « Nulle part », répondit-elle. Ça m'a coûté 25 €.",
    "Italian": "Perché no? Così è la vita: un po' di caffè, e via per la città.",
    "Portuguese": "Não há pão; amanhã virão os irmãos João e Inês com pêssegos.",
    "Hindi": "नमस्ते! आप कैसे हैं? मुझे हिन्दी में १२३ तक गिनती आती है।",
    "Spanish": "¿Dónde está el señor Núñez? ¡Mañana vendrá con su pingüino!",
    "Thai": "สวัสดีครับ ผมชื่อสมชาย วันนี้อากาศดีมาก ๆ ไปเที่ยวกันไหม ๑๒๓",
}
PIECES = [
    *LANGUAGES.values(),
    *("👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇧🇷", "☃️", "e\u0301", "ﬁ", "\u200b", "\ufeff", "\u202e", "\U0001d54f"),
    *("\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\t\t", "\r\n", "\n\n\n", " ", "   ", "\u00a0", "\u3000", "\u1680"),
    *("\U000e0041", "\uffff"),
    "def f(xs: list[int]) -> int:\n    return sum(x ** 2 for x in xs)  # ok\n\n\nprint(f([1, 2]))\n",
    '{"a": [1, 2.50e-3, null], "b": "\\u00e9\\n"}',
    "<div class='x'>&nbsp;</div>\r\n<!-- -->",
    *("你好,世界", "こんにちは", "안녕하세요", "Привет", "שלום", "مرحبا", "0123456789", "x²", "½", "Ⅷ", "ǅ", "ß", "İi"),
    *("<|eot_id|>", "<|begin_of_text|>", "<|reserved_special_token_7|>", "<|python_tag|>", "<|", "|>"),
]  # fmt: skip


def meta(tokenizer, text):
    return tokenizer.encode(text, bos=False, eos=False)


def test_languages_code_and_odd_characters_have_metas_ids(llama_31, meta_tokenizer):
    rng = random.Random(3)
    for text in [*PIECES, *("".join(rng.choices(PIECES, k=rng.randint(1, 12))) for _ in range(3000))]:
        ids = llama_31.encode(text)
        assert ids == meta(meta_tokenizer, text), repr(text)
        assert b"".join(map(llama_31.piece, ids)) == text.encode()


@settings(max_examples=500)
@given(text=st.lists(st.text(max_size=20) | st.sampled_from(PIECES), max_size=6).map("".join))
def test_any_text_has_metas_ids(llama_31, meta_tokenizer, text):
    assert llama_31.encode(text) == meta(meta_tokenizer, text)


def test_every_character_has_metas_ids_and_its_bytes(llama_31, meta_tokenizer):
    """All of Unicode but surrogates, each between others of its neighbourhood."""
    for start in range(0, 0x110000, 0x400):
        characters = "".join(chr(c) for c in range(start, start + 0x400) if not 0xD800 <= c < 0xE000)
        ids = llama_31.encode(characters)
        assert ids == meta(meta_tokenizer, characters), hex(start)
        assert b"".join(map(llama_31.piece, ids)) == characters.encode()


def test_control_tokens_have_metas_ids(llama_31, meta_tokenizer):
    assert llama_31.control_ids == meta_tokenizer.special_tokens
    assert len(llama_31.control_ids) == 256
    assert min(llama_31.control_ids.values()) == FIRST_CONTROL
    assert llama_31.bos_id == meta_tokenizer.bos_id


RUNS = ["a", " ", "\n", "\t", "\r\n", "-", "7", "😀", "ก", "好", "\u00a0", "\u200d", "aB", "ab1 -\n", "<|", "'s"]


@pytest.mark.parametrize("unit", RUNS)
def test_long_runs_have_metas_ids_as_long_as_meta_does_not_cut_them(llama_31, meta_tokenizer, unit):
    text = (unit * 25_000)[:25_000]
    assert llama_31.encode(text) == meta(meta_tokenizer, text)


@pytest.mark.parametrize("unit", RUNS)
def test_longer_runs_have_the_librarys_ids(llama_31, hf_llama_31, unit):
    text = (unit * 100_000)[:100_000]
    ids = llama_31.encode(text)
    assert ids == hf_llama_31.encode(text, add_special_tokens=False).ids
    assert b"".join(map(llama_31.piece, ids)) == text.encode()


@pytest.mark.parametrize("unit", ["a", "😀", "ก", "\n"])
def test_longer_runs_have_metas_ids_where_its_cut_falls_between_tokens(llama_31, meta_tokenizer, unit):
    text = unit * 100_000
    matches = llama_31.encode(text) == meta(meta_tokenizer, text)
    assert matches == (unit != "\n"), "25,000 newlines are no whole number of tokens of 32"


def test_metas_tokenizer_would_make_control_tokens_only_where_told(llama_31, meta_tokenizer):
    """The text half has no way to them at all, however a text is put together."""
    for name in meta_tokenizer.special_tokens:
        for text in (name, name * 2, f"a{name}b", name[:3] + name, name + name[-3:]):
            ids = llama_31.encode(text)
            assert max(ids) < FIRST_CONTROL
            assert ids == meta(meta_tokenizer, text)


NAMES = "<|reserved_special_token_1", "<|", "<|eot_id|><|eot_id|", "<|reserved_special_token_24<|eot_id|>"


@pytest.mark.parametrize("unit", NAMES)
def test_control_names_are_counted_among_their_beginnings(llama_31, unit):
    assert llama_31.count_control(unit * 10_000) == (unit * 10_000).count("<|eot_id|>")


def test_what_names_share_is_read_once(llama_31):
    """With the 256 names side by side, a text of their beginnings would be read 245 times."""
    assert llama_31._control_pattern.pattern.count("reserved") == 1
    assert {name for name in llama_31.control_ids if llama_31._control_pattern.fullmatch(name)} == {
        *llama_31.control_ids
    }
