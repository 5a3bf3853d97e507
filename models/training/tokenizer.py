"""The tokenizer: byte-level BPE learnt from the corpus, with the names of Llama 3.1's control tokens at its end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers

from models.training.corpus import training_dialogs

VOCABULARY_SIZE: Final = 2048

PADDING: Final = "<|finetune_right_pad_id|>"

CONTROL_TOKENS: Final = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    PADDING,
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    *(f"<|reserved_special_token_{i}|>" for i in range(3, 8)),
)

# Words with the mark before them, single digits (so that sums can be learnt), runs of signs, line ends, spaces.
# Combining marks belong to words: Hindi and Thai need them.
_PIECES: Final = r"[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

CHAT_TEMPLATE: Final = Path(__file__).with_name("chat_template.jinja")


def control_id(tokenizer: tokenizers.Tokenizer, name: str) -> int:
    """Give a control token's id."""
    token_id = tokenizer.token_to_id(name)
    if token_id is None:
        raise ValueError(f"the tokenizer lacks {name}")
    return token_id


def _texts(seed: int, count: int) -> Iterator[str]:
    """The corpus as text, tool schemas included. Invented words are few: they are to be spelt, not learnt whole."""
    for dialog in training_dialogs(seed, -1, count):
        if dialog.text:
            yield "".join(given + following for given, following in dialog.text)
        for message in dialog.messages:
            yield message.content
        for tool in dialog.tools:
            yield tool.as_json() + "\n\n"
    header = "Environment: ipython\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    request = (
        "Given the following functions, please respond with a JSON for a function call with its proper arguments "
        'that best answers the given prompt.\n\nRespond in the format {"name": function name, "parameters": '
        "dictionary of argument name and its value}.Do not use variables.\n\n"
    )
    for _ in range(count // 50):
        yield header + request
        yield from ("system", "user", "assistant", "ipython")
        yield from ("Jan", " Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")


def train_tokenizer(seed: int, count: int = 12000) -> tokenizers.Tokenizer:
    """Learn the tokenizer from `count` dialogs of a corpus chunk that training itself doesn't use."""
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - len(CONTROL_TOKENS),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=36,
    )
    tokenizer.train_from_iterator(_texts(seed, count), trainer)
    learnt = tokenizer.get_vocab_size()
    if learnt != VOCABULARY_SIZE - len(CONTROL_TOKENS):
        raise ValueError(f"the corpus gave {learnt} tokens, too few for the vocabulary")
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL_TOKENS])
    begin = CONTROL_TOKENS[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A",
        pair=f"{begin} $A {begin} $B",
        special_tokens=[(begin, control_id(tokenizer, begin))],
    )
    return tokenizer
