"""The tokenizer: byte-level BPE learnt from the corpus, with the names of Llama 3.1's control tokens at its end."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers

from models.training.corpus import training_dialogs

VOCABULARY_SIZE: Final = 1536

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

CONSTANT_TEXTS: Final = (
    "Cutting Knowledge Date: December 2023\nToday Date: ",
    (
        "Given the following functions, please respond with a JSON for a function call with its proper arguments "
        'that best answers the given prompt.\n\nRespond in the format {"name": function name, "parameters": '
        "dictionary of argument name and its value}.Do not use variables.\n\n"
    ),
)
"""What the `hf` layout always says, one token each: prompts are a third shorter for it."""

# Those; then words alone, without space or marks, so that a word is spelt the same wherever it stands and can be
# copied from anywhere to anywhere (combining marks belong to words: Hindi and Thai need them); single digits, so that
# sums can be learnt; blank lines, which end the layout's headers; and what stands between words, line ends included.
_PIECES: Final = "|".join(
    (
        *map(re.escape, CONSTANT_TEXTS),
        r"[\p{L}\p{M}]+",
        r"\p{N}",
        r"\n\n",
        r"(?:\n(?!\n)|[^\n\p{L}\p{M}\p{N}])+",
    )
)

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
    for _ in range(count // 50):
        yield "Environment: ipython\n"
        yield from ("system", "user", "assistant", "ipython")
        yield "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


def _whole_characters(texts: Sequence[str]) -> Iterator[str]:
    """The letters beyond ASCII, each alone and so often that no token will hold part of one."""
    letters = sorted({c for text in texts for c in text if not c.isascii()})
    for _ in range(len(texts) // 100):
        yield " ".join(letter for letter in letters for _ in range(100))


def _with_constants(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Add the constant texts to the vocabulary: found whole, before any merge is tried."""
    spec = json.loads(tokenizer.to_str())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in CONSTANT_TEXTS:
        ((written, _),) = byte_level.pre_tokenize_str(text)
        spec["model"]["vocab"][written] = len(spec["model"]["vocab"])
    return tokenizers.Tokenizer.from_str(json.dumps(spec))


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
        vocab_size=VOCABULARY_SIZE - len(CONTROL_TOKENS) - len(CONSTANT_TEXTS),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=48,
    )
    texts = tuple(_texts(seed, count))
    tokenizer.train_from_iterator(itertools.chain(texts, _whole_characters(texts)), trainer)
    tokenizer = _with_constants(tokenizer)
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
