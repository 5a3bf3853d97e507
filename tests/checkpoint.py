"""A checkpoint folder with a tokenizer and no weights: what the simulator needs to serve text, made in a second."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

CONTROL_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)
"""Llama 3.1's, by name."""

VOCAB_SIZE = 600
TEXT_IDS = VOCAB_SIZE - len(CONTROL_TOKENS)
"""Ids below it are text, of which 256 are single bytes; the others are control tokens."""
BEGIN, END_OF_TEXT, END_OF_TURN = (
    TEXT_IDS + CONTROL_TOKENS.index(name) for name in ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
)

_CORPUS = (
    "the horse stands in the paddock and the rider stops at the gate stopping there",
    "STOP stop Stopper end ending bending sending the end",
    "Grüße aus München, ça va très bien, el niño come piña mañana, você não está",
    "नमस्ते दुनिया, สวัสดีชาวโลก, 你好世界 🐎🐴",
    "one two three four five six seven eight nine ten hundred thousand million",
    "Whoever wants to know how something works begins by taking it apart, carefully, piece after piece.",
    "January February March April May June July August September October November December 2023 2024 2025 2026",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday yesterday tomorrow morning evening",
    "Knowledge Date environment user assistant system question answer capital country language",
)


def write_tokenizer(folder: Path) -> Path:
    """Write `tokenizer.json` and `generation_config.json` into a folder and return it."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_IDS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator(_sentences(), trainer)
    tokenizer.add_special_tokens(list(CONTROL_TOKENS))
    if tokenizer.get_vocab_size() != VOCAB_SIZE:
        raise AssertionError(f"the corpus gives {tokenizer.get_vocab_size()} tokens, not {VOCAB_SIZE}")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", BEGIN)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    defaults = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [END_OF_TEXT, END_OF_TURN]}
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    return folder


def _sentences() -> list[str]:
    words = " ".join(_CORPUS).split()
    return [*_CORPUS, *(f"{word} {words[-index]}" for index, word in enumerate(words))]
