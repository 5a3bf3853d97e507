"""The prompt guard's tokenizer: Unigram in lower case, made of its corpus's words, without a mark for spaces.

Without one, a word has the same token whether or not there is a space before it, so that text whose spaces were
dropped falls into the words it was made of, and says the same to the model. The pieces are counted, not learnt: words
and, for words that nobody counted, groups of one to three letters. That gives the same tokenizer every time.
"""

import math
import random
import re
from collections import Counter
from typing import Final

import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, processors

from models.guards.chat.tokenizer import token_id
from models.guards.prompt.corpus import training_texts

PADDING: Final = "[PAD]"
CLASS: Final = "[CLS]"
SEPARATOR: Final = "[SEP]"
UNKNOWN: Final = "[UNK]"
SPECIAL_TOKENS: Final = (PADDING, CLASS, SEPARATOR, UNKNOWN)

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_SIGNS: Final = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_MIN_COUNT: Final = 4
_WORDS: Final = 1800
_GROUPS: Final = 200
# Log probabilities: a group is likelier than its letters, and any word that was counted likelier than groups.
_GROUP_SCORE: Final = {1: -14.0, 2: -16.0, 3: -17.0}

_NORMALIZER: Final = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])


def _pieces(seed: int, count: int) -> list[tuple[str, float]]:
    rng = random.Random(f"paddock-prompt-guard:{seed}:tokenizer")
    words: Counter[str] = Counter()
    for text in training_texts(rng, count):
        words.update(re.findall(r"[a-z]+", _NORMALIZER.normalize_str(text.text)))
    total = sum(words.values())
    kept = sorted((word for word in words if len(word) > 1 and words[word] >= _MIN_COUNT), key=lambda w: (-words[w], w))
    scores = {word: math.log(words[word] / total) for word in kept[:_WORDS]}
    groups: Counter[str] = Counter()
    for word in words:
        groups.update(word[i : i + n] for n in (2, 3) for i in range(len(word) - n + 1))
    for group in sorted(groups, key=lambda g: (-groups[g], g))[:_GROUPS]:
        scores.setdefault(group, _GROUP_SCORE[len(group)])
    scores.update(dict.fromkeys(_LETTERS + _SIGNS, _GROUP_SCORE[1]))
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def make_tokenizer(seed: int, count: int = 30000) -> tokenizers.Tokenizer:
    """Make the tokenizer from `count` texts of a corpus that training itself doesn't use."""
    vocabulary = [*((name, 0.0) for name in SPECIAL_TOKENS), *_pieces(seed, count)]
    tokenizer = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id=SPECIAL_TOKENS.index(UNKNOWN)))
    tokenizer.normalizer = _NORMALIZER
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[^\p{L}\p{M}]"), behavior="isolated")]
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL_TOKENS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLASS} $A {SEPARATOR}",
        pair=f"{CLASS} $A {SEPARATOR} $B {SEPARATOR}",
        special_tokens=[(name, token_id(tokenizer, name)) for name in (CLASS, SEPARATOR)],
    )
    return tokenizer
