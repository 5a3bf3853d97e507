"""Trains the guard: a stock `LlamaForCausalLM`, Muon and AdamW, loss on the verdict and on a note behind each message.

The notes are where it learns most: at the last token of every message it is to say that message's verdict, so that a
conversation teaches as often as it has messages, and mostly without a prompt around it at first. Prompts of one batch
share a few frames (task and categories), so that each frame is computed once for the conversations behind it.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import tokenizers
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from models.guards.chat.corpus import AGENT_KINDS, USER_KINDS, draw_added, draw_excluded, training_cases
from models.guards.chat.encoding import CaseEncoder, Row
from models.guards.chat.tokenizer import BEGIN, CONTROL_TOKENS, PADDING, STOPS, VOCABULARY_SIZE, token_id
from models.training.architecture import llama_in_small
from models.training.optimizer import Optimizer

_FRAMES = 4
"""Frames in a batch: two that judge the user, two that judge the agent."""
_ROWS = 12
"""Conversations behind each frame of a batch."""
_POOL = 8
"""Batches cut from one pool of conversations, so that those of a batch are of like length."""
_SHORT_TOKENS = 2400
"""Token positions in a batch of conversations alone."""
_WORDS = VOCABULARY_SIZE - len(CONTROL_TOKENS)
"""Ids from here on are control tokens'."""
_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run depends on, besides the corpus.

    Attributes:
        steps: all steps.
        frames_from: the share of the steps after which most batches have frames.
        early_frames: the share of batches with frames before that; the others are conversations alone.
        late_frames: their share after it.
        matrix_lr: Muon's highest rate.
        vector_lr: AdamW's highest rate.
        warmup: how many steps the rates rise.
        decay_from: the share of the steps after which the rates fall.
    """

    steps: int = 2400
    frames_from: float = 0.55
    early_frames: float = 0.15
    late_frames: float = 0.75
    matrix_lr: float = 6e-3
    vector_lr: float = 4e-3
    warmup: int = 50
    decay_from: float = 0.4
    seed: int = 2024
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames `[frames, length]` with their mask (or none), and conversations `[frames * rows, length]` behind them."""

    frames: Tensor | None
    frame_mask: Tensor | None
    ids: Tensor
    mask: Tensor
    targets: Tensor


def configuration(tokenizer: tokenizers.Tokenizer) -> LlamaConfig:
    """The guard's shape."""
    return llama_in_small(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        bos_token_id=token_id(tokenizer, BEGIN),
        eos_token_id=[token_id(tokenizer, name) for name in STOPS],
        pad_token_id=token_id(tokenizer, PADDING),
    )


def _padded(rows: list[list[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def _conversation(row: Row) -> tuple[list[int], list[int]]:
    """The messages' ids, and what is to be noted at the last one of each."""
    targets = [[_IGNORED] * (len(ids) - 1) + [note] for ids, note in zip(row.turns, row.notes, strict=True)]
    return list(chain.from_iterable(row.turns)), list(chain.from_iterable(targets))


def _batch(examples: list[tuple[list[int], list[int]]], pad_id: int, frames: list[list[int]]) -> Batch:
    padded, padded_frames = _padded([ids for ids, _ in examples], -1), _padded(frames, -1) if frames else None
    return Batch(
        frames=None if padded_frames is None else padded_frames.clamp(min=0),
        frame_mask=None if padded_frames is None else (padded_frames >= 0).long(),
        ids=torch.where(padded >= 0, padded, pad_id),
        mask=(padded >= 0).long(),
        targets=_padded([targets for _, targets in examples], _IGNORED),
    )


def _short_batch(rows: list[Row], pad_id: int) -> Batch:
    """Conversations alone."""
    return _batch([_conversation(row) for row in rows], pad_id, [])


def _full_batch(groups: list[list[Row]], pad_id: int) -> Batch:
    """Whole prompts with their verdicts."""
    examples = []
    for row in (row for group in groups for row in group):
        ids, targets = _conversation(row)
        ids = ids + row.rest + row.verdict[:-1]
        examples.append((ids, targets + [_IGNORED] * (len(row.rest) - 1) + row.verdict))
    return _batch(examples, pad_id, [group[0].frame for group in groups])


def _blur(rng: random.Random, ids: list[int]) -> list[int]:
    """Put a word or two, any of the vocabulary, into one message of four: strange words alone mean nothing."""
    if rng.random() < 0.75:
        return ids
    place = rng.randint(2, len(ids) - 1)
    return [*ids[:place], *(rng.randrange(_WORDS) for _ in range(rng.randint(1, 2))), *ids[place:]]


def _pool(encoder: CaseEncoder, rng: random.Random, kinds: tuple[str, ...], count: int, alone: bool) -> list[Row]:
    excluded = frozenset[str]() if alone else draw_excluded(rng)
    added = "" if alone else draw_added(rng)
    cases = training_cases(rng, kinds, excluded, count, alone)
    rows = (encoder.row(replace(case, added=added)) for case in cases)
    blurred = (replace(row, turns=[_blur(rng, ids) for ids in row.turns]) for row in rows)
    return sorted(blurred, key=lambda row: sum(map(len, row.turns)) * rng.uniform(0.95, 1.05))


def _short_batches(encoder: CaseEncoder, rng: random.Random, pad_id: int) -> Iterator[Batch]:
    while True:
        groups: list[list[Row]] = [[]]
        longest = 0
        for row in _pool(encoder, rng, (*USER_KINDS, *AGENT_KINDS), 1000, alone=True):
            longest = max(longest, sum(map(len, row.turns)))
            if longest * (len(groups[-1]) + 1) > _SHORT_TOKENS:
                groups.append([])
            groups[-1].append(row)
        for group in rng.sample(groups, len(groups)):
            yield _short_batch(group, pad_id)


def _full_batches(encoder: CaseEncoder, rng: random.Random, pad_id: int) -> Iterator[Batch]:
    while True:
        kinds = (USER_KINDS, AGENT_KINDS) * (_FRAMES // 2)
        groups = [_pool(encoder, rng, group_kinds, _ROWS * _POOL, alone=False) for group_kinds in kinds]
        for start in rng.sample(range(0, _ROWS * _POOL, _ROWS), _POOL):
            yield _full_batch([rows[start : start + _ROWS] for rows in groups], pad_id)


def batches(tokenizer_json: str, pad_id: int, recipe: Recipe) -> Iterator[Batch]:
    """Yield a run's batches, the same for the same seed: mostly conversations alone, later mostly whole prompts."""
    encoder = CaseEncoder(tokenizer_json)
    rng = random.Random(f"paddock-guard:{recipe.seed}:train")
    short, full = _short_batches(encoder, rng, pad_id), _full_batches(encoder, rng, pad_id)
    for step in range(recipe.steps):
        early = step < recipe.frames_from * recipe.steps
        share = recipe.early_frames if early else recipe.late_frames
        yield next(full if rng.random() < share else short)


def _hidden(model: LlamaForCausalLM, batch: Batch) -> Any:
    if batch.frames is None or batch.frame_mask is None:
        return model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    cache = DynamicCache(config=model.config)
    model.model(input_ids=batch.frames, attention_mask=batch.frame_mask, past_key_values=cache, use_cache=True)
    repeats = batch.ids.size(0) // batch.frames.size(0)
    cache.batch_repeat_interleave(repeats)
    frame_mask = batch.frame_mask.repeat_interleave(repeats, 0)
    return model.model(
        input_ids=batch.ids,
        attention_mask=torch.cat((frame_mask, batch.mask), 1),
        position_ids=frame_mask.sum(1, keepdim=True) + torch.arange(batch.ids.size(1)),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state


def _loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    hidden = _hidden(model, batch)
    wanted = batch.targets >= 0
    return F.cross_entropy(model.lm_head(hidden[wanted]), batch.targets[wanted])


def train(tokenizer: tokenizers.Tokenizer, recipe: Recipe) -> tuple[LlamaForCausalLM, int]:
    """Train from scratch; return the model and how many conversations it saw."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = LlamaForCausalLM(configuration(tokenizer)).train()
    optimizer = Optimizer(
        model,
        model.model.layers,
        matrix_lr=recipe.matrix_lr,
        vector_lr=recipe.vector_lr,
        steps=recipe.steps,
        warmup=recipe.warmup,
        decay_from=recipe.decay_from,
    )
    stream = batches(tokenizer.to_str(), token_id(tokenizer, PADDING), recipe)
    started, average, seen = time.monotonic(), 1.0, 0
    for step, batch in enumerate(stream):
        loss = _loss(model, batch)
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seen += batch.ids.size(0)
        average = 0.95 * average + 0.05 * loss.item()
        if step % 25 == 24:
            elapsed = (time.monotonic() - started) / 60
            print(f"step {step + 1:5d}/{recipe.steps}  loss {average:.4f}  {elapsed:5.1f} min", flush=True)
    return model.eval(), seen
