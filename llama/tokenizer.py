"""A Hugging Face `tokenizer.json` seen as bytes and ids, with control tokens out of reach of any text.

`tokenizers` finds control tokens inside ordinary text, which is how a user's words become a system turn. So the text
half of the tokenizer is built from the same JSON without its added tokens and without its post-processor: it *has* no
control token that it could produce. Control ids are placed by whoever builds a prompt, by name.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tokenizers


class TokenizerError(ValueError):
    """The `tokenizer.json` can't be used. The message says why."""


_KINDS = ("BPE", "Unigram", "WordPiece", "WordLevel")


class Tokenizer:
    """Text to ids, ids to bytes, control tokens by name.

    Attributes:
        kind: of the model: BPE, as Llama's, or Unigram, WordPiece or WordLevel, as classifiers have them.
        vocab_size: ids are in `[0, vocab_size)`.
        control_ids: id of each control token, by its name such as `<|eot_id|>`: those that the tokenizer calls special,
            and other added tokens written as tags, such as `<think>`. No text yields one of them.
        bos_id: the id put before a raw prompt, or None where the tokenizer adds none.
        prefix: the ids that the checkpoint puts before a text, such as `[CLS]`.
        suffix: those that it puts after it, such as `[SEP]`.
    """

    def __init__(self, tokenizer_json: str) -> None:
        """Read a `tokenizer.json`, given as text.

        Raises:
            TokenizerError: it is not one.
        """
        try:
            whole = tokenizers.Tokenizer.from_str(tokenizer_json)
            spec: dict[str, Any] = json.loads(tokenizer_json)
        except Exception as error:
            raise TokenizerError(f"not a tokenizer.json: {error}") from error
        self.kind: str = spec["model"].get("type")
        if self.kind not in _KINDS:
            raise TokenizerError(f"its model is {self.kind}, not one of {', '.join(_KINDS)}")
        whole.no_truncation()
        whole.no_padding()
        self.prefix, self.suffix = _surroundings(whole)
        added = spec.get("added_tokens") or []
        self.control_ids: Mapping[str, int] = {t["content"]: t["id"] for t in added if _is_control(t)}
        self.vocab_size: int = max(whole.get_vocab(with_added_tokens=True).values()) + 1
        placed = {str(whole.id_to_token(token_id)) for token_id in (*self.prefix, *self.suffix)}
        self._text = _without_control_tokens(spec, {*self.control_ids, *placed})
        self._pieces = _pieces(whole, spec)
        self._special_ids = frozenset(t["id"] for t in added if t["special"])
        self._control_pattern = _any_of(self.control_ids)
        start = whole.encode("").ids
        self.bos_id: int | None = start[0] if start and start[0] in self._special_ids else None

    def encode(self, text: str) -> list[int]:
        """Encode text as nothing but text: no id of the result is a control token's.

        The token for what a vocabulary lacks, as Unigram and WordPiece have it, counts as text here.
        """
        # A batch of one: `encode` would keep Python's lock for as long as it takes, which is seconds for megabytes.
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode texts, each by itself, as `encode` does."""
        return [encoding.ids for encoding in self._text.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Encode as `encode` does, and tell which characters of the text each id stands for, as [start, end)."""
        encoding = self._text.encode_batch([text], add_special_tokens=False)[0]
        return encoding.ids, encoding.offsets

    def count_control(self, text: str) -> int:
        """Count the places where text spells a control token's name."""
        return len(self._control_pattern.findall(text)) if self._control_pattern else 0

    def piece(self, token_id: int) -> bytes:
        """Give the bytes that an id stands for: a control token's are its name's. Unused ids have none."""
        return self._pieces[token_id] if token_id < len(self._pieces) else b""

    def pieces(self, token_ids: Sequence[int]) -> list[bytes]:
        """Give the pieces of ids that `encode` or a chat encoder made: all of them are in the vocabulary."""
        pieces = self._pieces
        return [pieces[token_id] for token_id in token_ids]

    def is_control(self, token_id: int) -> bool:
        """Tell whether an id is one that the tokenizer calls special: an answer's text leaves it out."""
        return token_id in self._special_ids


def _is_control(added_token: Mapping[str, Any]) -> bool:
    """Tell whether an added token is structure and not a word: it is special, or written as a tag."""
    return bool(added_token["special"]) or bool(re.fullmatch(r"<\S+>|\[\S+\]", added_token["content"]))


def _any_of(names: Collection[str]) -> re.Pattern[str] | None:
    """Match any of the names, the longest where several do. As a trie: beside each other they'd all be tried."""
    if not names:
        return None
    trie: dict[str, Any] = {}
    for name in names:
        node = trie
        for character in name:
            node = node.setdefault(character, {})
        node[""] = {}
    return re.compile(_branches(trie))


def _branches(node: dict[str, Any]) -> str:
    branches = [re.escape(character) + _branches(child) for character, child in node.items() if character]
    if not branches:
        return ""
    together = branches[0] if len(branches) == 1 and "" not in node else f"(?:{'|'.join(branches)})"
    return together + ("?" if "" in node else "")


def _surroundings(tokenizer: tokenizers.Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tell what the post-processor puts before and after a text."""
    encoding = tokenizer.encode("a")
    own = [index for index, special in enumerate(encoding.special_tokens_mask) if not special]
    if not own:
        return tuple(encoding.ids), ()
    return tuple(encoding.ids[: own[0]]), tuple(encoding.ids[own[-1] + 1 :])


def _without_control_tokens(spec: dict[str, Any], control: set[str]) -> tokenizers.Tokenizer:
    """Build the tokenizer again, with plain added tokens kept and every way to a control token removed."""
    spec = dict(spec)
    spec["model"] = (_model_without if spec["model"]["type"] == "BPE" else _model_with_secret)(spec["model"], control)
    spec["added_tokens"] = [t for t in spec.get("added_tokens") or [] if not _is_control(t)]
    spec["post_processor"] = None
    spec["truncation"] = None
    spec["padding"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(spec))


def _model_without(model: dict[str, Any], control: set[str]) -> dict[str, Any]:
    """Take the control tokens out of a BPE model too: `ignore_merges` finds whole words in the vocabulary."""
    vocab = {token: token_id for token, token_id in model["vocab"].items() if token not in control}
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    return {**model, "vocab": vocab, "merges": [pair for pair in pairs if "".join(pair) not in control]}


def _model_with_secret(model: dict[str, Any], control: set[str]) -> dict[str, Any]:
    """Rename the control tokens in a vocabulary to words that nobody can guess.

    They can't be taken out: a Unigram model's ids are places in its list, and the token for what the vocabulary lacks,
    which is a control token by its kind, is needed to encode any text.
    """
    names = {token: f"{secrets.token_hex(16)}-{index}" for index, token in enumerate(sorted(control))}
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        renamed: Any = {names.get(token, token): token_id for token, token_id in vocab.items()}
    else:
        renamed = [[names.get(token, token), score] for token, score in vocab]
    unknown = {"unk_token": names.get(model["unk_token"], model["unk_token"])} if "unk_token" in model else {}
    return {**model, "vocab": renamed, **unknown}


def _pieces(tokenizer: tokenizers.Tokenizer, spec: dict[str, Any]) -> list[bytes]:
    vocab = tokenizer.get_vocab(with_added_tokens=True)
    added = {t["content"] for t in spec.get("added_tokens") or []}
    byte_level = _decoder_is_byte_level(spec.get("decoder"))
    to_bytes = _byte_level_bytes if byte_level else _sentencepiece_bytes
    if spec["model"]["type"] == "WordPiece":
        to_bytes = _wordpiece_bytes
    pieces = [b""] * (max(vocab.values()) + 1)
    for token, token_id in vocab.items():
        pieces[token_id] = token.encode() if token in added else to_bytes(token)
    return pieces


def _decoder_is_byte_level(decoder: Any) -> bool:
    if not isinstance(decoder, dict):
        return False
    return decoder.get("type") == "ByteLevel" or any(map(_decoder_is_byte_level, decoder.get("decoders", ())))


def _byte_level_alphabet() -> dict[str, int]:
    """Map the printable stand-ins of byte-level BPE back to bytes (Radford et al. 2019, GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(0x100) if b not in printable]
    alphabet = {chr(b): b for b in printable}
    alphabet.update({chr(0x100 + i): b for i, b in enumerate(others)})
    return alphabet


_BYTE_OF = _byte_level_alphabet()


def _byte_level_bytes(token: str) -> bytes:
    return bytes(_BYTE_OF[c] for c in token) if all(c in _BYTE_OF for c in token) else token.encode()


def _sentencepiece_bytes(token: str) -> bytes:
    """SentencePiece BPE, as in Llama 2: a lower block for a space, `<0xNN>` for a byte."""
    if re.fullmatch(r"<0x[0-9A-Fa-f]{2}>", token):
        return bytes([int(token[3:5], 16)])
    return token.replace("\u2581", " ").encode()


def _wordpiece_bytes(token: str) -> bytes:
    """WordPiece, as in BERT: a word's first piece stands after a space, `##` before the others."""
    return token[2:].encode() if token.startswith("##") else f" {token}".encode()
