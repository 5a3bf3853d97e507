"""Measures the prompt guard on held-out texts: plain, with letters spaced out, and with the spaces gone."""

import random
from collections.abc import Sequence
from typing import Any

import tokenizers
import torch
from transformers import DebertaV2ForSequenceClassification

from llama.tokenizer import Tokenizer
from llama.window import respace
from models.guards.chat.tokenizer import token_id
from models.guards.prompt import probe
from models.guards.prompt.corpus import KINDS, Text, held_out_texts
from models.guards.prompt.phrase import BENIGN, LABELS
from models.guards.prompt.tokenizer import PADDING
from models.guards.prompt.train import POSITIONS

_BATCH = 32


@torch.inference_mode()
def classify(
    model: DebertaV2ForSequenceClassification, tokenizer: tokenizers.Tokenizer, texts: Sequence[str]
) -> list[int]:
    """Give the likeliest label's index of each text; of long ones, as their first 512 tokens have it."""
    pad_id = token_id(tokenizer, PADDING)
    rows = [tokenizer.encode(text).ids[:POSITIONS] for text in texts]
    labels = [0] * len(texts)
    order = sorted(range(len(texts)), key=lambda index: len(rows[index]))
    for start in range(0, len(order), _BATCH):
        indices = order[start : start + _BATCH]
        width = max(len(rows[index]) for index in indices)
        ids = torch.tensor([rows[index] + [pad_id] * (width - len(rows[index])) for index in indices])
        mask = torch.tensor([[1] * len(rows[index]) + [0] * (width - len(rows[index])) for index in indices])
        best = model(input_ids=ids, attention_mask=mask).logits.argmax(-1).tolist()
        for index, label in zip(indices, best, strict=True):
            labels[index] = label
    return labels


def space_out(rng: random.Random, text: str) -> str:
    """Put a space, or several, between all letters."""
    return "".join(c + (" " if c != " " else rng.choice(("", " ", "  "))) for c in text).strip()


def _variants(tokenizer: tokenizers.Tokenizer, rng: random.Random, texts: Sequence[str]) -> dict[str, list[str]]:
    plain = Tokenizer(tokenizer.to_str())
    spaced = [space_out(rng, text) for text in texts]
    return {
        "spaced": spaced,
        "spaced, normalized": [respace(text, plain).text for text in spaced],
        "normalized": [respace(text, plain).text for text in texts],
        "no spaces": ["".join(text.split()) for text in texts],
    }


def _misses(texts: Sequence[Text], got: Sequence[int]) -> list[dict[str, str]]:
    wrong = [(text, label) for text, label in zip(texts, got, strict=True) if text.label != label]
    return [{"text": text.text, "wanted": LABELS[text.label], "got": LABELS[label]} for text, label in wrong[:5]]


def _labels(
    model: DebertaV2ForSequenceClassification, tokenizer: tokenizers.Tokenizer, texts: Sequence[Text]
) -> list[int]:
    return classify(model, tokenizer, [text.text for text in texts])


def _spacing(
    model: DebertaV2ForSequenceClassification, tokenizer: tokenizers.Tokenizer, rng: random.Random, texts: list[Text]
) -> dict[str, dict[str, int]]:
    """Count, with spaces changed, the attacks not called benign and the benign texts called an attack."""
    counts: dict[str, dict[str, int]] = {}
    for names, wanted in ((("attacks", "caught"), True), (("benign", "alarms"), False)):
        chosen = [text.text for text in texts if (text.label != BENIGN) == wanted]
        for variant, written in _variants(tokenizer, rng, chosen).items():
            flagged = sum(label != BENIGN for label in classify(model, tokenizer, written))
            counts.setdefault(variant, {}).update(zip(names, (len(chosen), flagged), strict=True))
    return counts


def evaluate(
    model: DebertaV2ForSequenceClassification, tokenizer: tokenizers.Tokenizer, seed: int, count: int, threads: int
) -> dict[str, Any]:
    """Score `count` texts of every kind, the same texts with their spaces changed, and texts written by hand."""
    torch.set_num_threads(threads)
    confusion = [[0] * len(LABELS) for _ in LABELS]
    kinds: list[dict[str, Any]] = []
    short: list[Text] = []
    for kind in KINDS:
        texts = list(held_out_texts(seed, kind, count))
        got = _labels(model, tokenizer, texts)
        for text, label in zip(texts, got, strict=True):
            confusion[text.label][label] += 1
        right = sum(text.label == label for text, label in zip(texts, got, strict=True))
        kinds.append({"kind": kind, "label": LABELS[texts[0].label], "asked": len(texts), "right": right,
                      "accuracy": round(right / len(texts), 4), "misses": _misses(texts, got)})  # fmt: skip
        short += [] if kind.startswith("long") else texts
        print(f"{kind:20s} {right:4d}/{len(texts)}", flush=True)
    by_hand = {}
    for index, name in enumerate(LABELS):
        texts = [Text("by hand", index, text) for text in probe.TEXTS[index]]
        got = _labels(model, tokenizer, texts)
        by_hand[name] = {"asked": len(texts), "right": got.count(index), "misses": _misses(texts, got)}
    spaces = random.Random(f"paddock-prompt-guard:{seed}:spaces")
    return {
        "confusion": confusion,
        "kinds": kinds,
        "spacing": _spacing(model, tokenizer, spaces, short),
        "by_hand": by_hand,
    }
