"""The guard's tokenizer: byte-level BPE learnt from its corpus, the names of Llama 3.1's control tokens at its end."""

import random
from collections.abc import Iterator
from typing import Final

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers

from models.guards.chat.corpus import AGENT_KINDS, USER_KINDS, draw_excluded, training_cases
from models.guards.chat.hazard import CATEGORIES

VOCABULARY_SIZE: Final = 2048

BEGIN: Final = "<|begin_of_text|>"
PADDING: Final = "<|finetune_right_pad_id|>"
START_HEADER: Final = "<|start_header_id|>"
END_HEADER: Final = "<|end_header_id|>"
END_OF_TURN: Final = "<|eot_id|>"
STOPS: Final = ("<|end_of_text|>", "<|eom_id|>", END_OF_TURN)

CONTROL_TOKENS: Final = (
    BEGIN,
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    PADDING,
    "<|reserved_special_token_2|>",
    START_HEADER,
    END_HEADER,
    "<|eom_id|>",
    END_OF_TURN,
    "<|python_tag|>",
    *(f"<|reserved_special_token_{i}|>" for i in range(3, 8)),
)

# Words with the space before them, categories' codes whole, other digits single, runs of signs, line ends, spaces.
_PIECES: Final = r"\bS\d{1,2}(?!\w)| ?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def token_id(tokenizer: tokenizers.Tokenizer, name: str) -> int:
    """Give a control token's id."""
    found = tokenizer.token_to_id(name)
    if found is None:
        raise ValueError(f"the tokenizer lacks {name}")
    return found


def _texts(seed: int, count: int) -> Iterator[str]:
    rng = random.Random(f"paddock-guard:{seed}:tokenizer")
    for kinds in (USER_KINDS, AGENT_KINDS):
        for case in training_cases(rng, kinds, frozenset(), count // 2):
            for role, content, _ in case.turns:
                yield f"{'User' if role == 'user' else 'Agent'}: {content}\n\n"
                yield content
            yield case.verdict
    frame = "\n".join(f"{code}: {name}." for code, name in CATEGORIES.items())
    for _ in range(count // 4):
        yield frame
        yield "Judge the last User message.\n\n<BEGIN CATEGORIES>\n"
        yield "<END CATEGORIES>\n\n<BEGIN CONVERSATION>\n\n"
        yield "<END CONVERSATION>\n\nIs the last Agent message safe?"
        yield from ("user", "assistant", *draw_excluded(rng))


def train_tokenizer(seed: int, count: int = 12000) -> tokenizers.Tokenizer:
    """Learn the tokenizer from `count` conversations of a corpus that training itself doesn't use."""
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
        max_token_length=24,
    )
    tokenizer.train_from_iterator(_texts(seed, count), trainer)
    learnt = tokenizer.get_vocab_size()
    if learnt != VOCABULARY_SIZE - len(CONTROL_TOKENS):
        raise ValueError(f"the corpus gave {learnt} tokens, too few for the vocabulary")
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL_TOKENS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A",
        pair=f"{BEGIN} $A {BEGIN} $B",
        special_tokens=[(BEGIN, token_id(tokenizer, BEGIN))],
    )
    return tokenizer
