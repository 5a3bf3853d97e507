"""Trains the prompt guard: a stock `DebertaV2ForSequenceClassification`, as the real one is, with three labels."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tokenizers
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

from llama.tokenizer import Tokenizer
from llama.window import respace
from models.guards.chat.tokenizer import token_id
from models.guards.prompt.corpus import training_texts
from models.guards.prompt.phrase import LABELS
from models.guards.prompt.tokenizer import PADDING, SPECIAL_TOKENS
from models.training.optimizer import Optimizer

POSITIONS = 512
_ROWS = 48
_POOL = 8


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run depends on, besides the corpus."""

    steps: int = 1400
    matrix_lr: float = 3e-3
    vector_lr: float = 2e-3
    warmup: int = 40
    decay_from: float = 0.3
    seed: int = 2024
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and their mask `[rows, length]`, and label indices `[rows]`."""

    ids: Tensor
    mask: Tensor
    labels: Tensor


def configuration(tokenizer: tokenizers.Tokenizer) -> DebertaV2Config:
    """The DeBERTa-v2 architecture in small. Few position buckets: distances that training saw then cover all of 512."""
    settings: dict[str, Any] = dict(  # noqa: C408 - as the call it is
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=384,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pooler_dropout=0.0,
        max_position_embeddings=POSITIONS,
        type_vocab_size=0,
        layer_norm_eps=1e-7,
        relative_attention=True,
        max_relative_positions=-1,
        position_buckets=32,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        pooler_hidden_size=128,
        initializer_range=0.04,
        pad_token_id=token_id(tokenizer, PADDING),
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
        dtype="float32",
    )
    return DebertaV2Config(**settings)


def _vary(rng: random.Random, tokenizer: Tokenizer, text: str) -> str:
    """Show some texts as the server respaces them, and some with no space at all."""
    draw = rng.random()
    if draw < 0.1:
        return respace(text, tokenizer).text
    if draw < 0.15:
        return "".join(text.split())
    return text


def _blur(rng: random.Random, ids: list[int], first_word: int, vocabulary: int) -> list[int]:
    """Put other words, any of the vocabulary, in place of one in ten: what matters is seldom a single word."""
    if rng.random() < 0.4:
        return ids
    inner = [rng.randrange(first_word, vocabulary) if rng.random() < 0.1 else token for token in ids[1:-1]]
    return [ids[0], *inner, ids[-1]]


def _collate(rows: list[tuple[list[int], int]], pad_id: int) -> Batch:
    width = max(len(ids) for ids, _ in rows)
    return Batch(
        ids=torch.tensor([ids + [pad_id] * (width - len(ids)) for ids, _ in rows]),
        mask=torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows]),
        labels=torch.tensor([label for _, label in rows]),
    )


def batches(tokenizer: tokenizers.Tokenizer, seed: int) -> Iterator[Batch]:
    """Yield batches without end, the same for the same seed."""
    rng = random.Random(f"paddock-prompt-guard:{seed}:train")
    pad_id = token_id(tokenizer, PADDING)
    plain = Tokenizer(tokenizer.to_str())
    while True:
        texts = list(training_texts(rng, _ROWS * _POOL))
        encoded = (tokenizer.encode(_vary(rng, plain, text.text)).ids[:POSITIONS] for text in texts)
        blurred = (_blur(rng, ids, len(SPECIAL_TOKENS), tokenizer.get_vocab_size()) for ids in encoded)
        rows = [(ids, text.label) for ids, text in zip(blurred, texts, strict=True)]
        rows.sort(key=lambda row: len(row[0]) * rng.uniform(0.95, 1.05))
        for start in rng.sample(range(0, len(rows), _ROWS), _POOL):
            yield _collate(rows[start : start + _ROWS], pad_id)


def train(tokenizer: tokenizers.Tokenizer, recipe: Recipe) -> tuple[DebertaV2ForSequenceClassification, int]:
    """Train from scratch; return the model and how many texts it saw."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = DebertaV2ForSequenceClassification(configuration(tokenizer)).train()
    optimizer = Optimizer(
        model,
        model.deberta.encoder.layer,
        matrix_lr=recipe.matrix_lr,
        vector_lr=recipe.vector_lr,
        steps=recipe.steps,
        warmup=recipe.warmup,
        decay_from=recipe.decay_from,
    )
    stream = batches(tokenizer, recipe.seed)
    started, average, seen = time.monotonic(), 1.0, 0
    for step in range(recipe.steps):
        batch = next(stream)
        loss = F.cross_entropy(model(input_ids=batch.ids, attention_mask=batch.mask).logits, batch.labels)
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seen += batch.ids.size(0)
        average = 0.95 * average + 0.05 * loss.item()
        if step % 25 == 24:
            elapsed = (time.monotonic() - started) / 60
            print(f"step {step + 1:5d}/{recipe.steps}  loss {average:.4f}  {elapsed:5.1f} min", flush=True)
    return model.eval(), seen
