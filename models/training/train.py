"""Trains the model: a stock `LlamaForCausalLM`, Muon and AdamW, loss on the wanted ids only."""

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import tokenizers
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from llama.chat import BEGIN_OF_TEXT, STOP_TOKENS
from models.training.architecture import llama_in_small
from models.training.batch import Batch, batches
from models.training.optimizer import Optimizer
from models.training.start import initialize
from models.training.tokenizer import CONTROL_TOKENS, PADDING, VOCABULARY_SIZE, control_id


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run depends on, besides the corpus.

    Attributes:
        steps: how many updates.
        parts: batches per update, each of rows of like length: several, so that each update sees short and long.
        part_tokens: how many token positions a batch has, about.
        matrix_lr: Muon's highest rate.
        vector_lr: AdamW's highest rate.
        warmup: how many steps the rates rise.
        decay_from: the share of the steps after which the rates fall to zero, in a line.
        seed: of weights and corpus.
        threads: of the matrix products.
    """

    steps: int = 2600
    parts: int = 2
    part_tokens: int = 2048
    matrix_lr: float = 4e-3
    vector_lr: float = 3e-3
    warmup: int = 40
    decay_from: float = 0.3
    seed: int = 2024
    threads: int = 4


def configuration(tokenizer: tokenizers.Tokenizer) -> LlamaConfig:
    """The model's shape."""
    ids = {name: control_id(tokenizer, name) for name in CONTROL_TOKENS}
    return llama_in_small(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=6,
        num_attention_heads=6,
        bos_token_id=ids[BEGIN_OF_TEXT],
        eos_token_id=[ids[name] for name in STOP_TOKENS],
        pad_token_id=ids[PADDING],
    )


def _loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """The sum over the wanted ids."""
    hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    wanted = batch.targets >= 0
    logits = model.lm_head(hidden[wanted])
    return F.cross_entropy(logits, batch.targets[wanted], reduction="sum")


class _Progress:
    """Prints how far a run is, every 25 steps."""

    def __init__(self, steps: int) -> None:
        self._steps, self._step = steps, 0
        self._started, self._average = time.monotonic(), math.nan
        self.seen = 0

    def add(self, positions: int, loss: float) -> None:
        self._step += 1
        self.seen += positions
        self._average = loss if math.isnan(self._average) else 0.95 * self._average + 0.05 * loss
        if self._step % 25 and self._step != self._steps:
            return
        elapsed = time.monotonic() - self._started
        left = elapsed / self._step * (self._steps - self._step)
        print(
            f"step {self._step:5d}/{self._steps}  loss {self._average:.4f}  {self.seen / elapsed:6.0f} tokens/s  "
            f"{elapsed / 60:5.1f} min, {left / 60:.1f} left",
            flush=True,
        )


def _run(model: LlamaForCausalLM, stream: Iterator[Batch], recipe: Recipe, progress: _Progress) -> None:
    optimizer = Optimizer(
        model,
        model.model.layers,
        matrix_lr=recipe.matrix_lr,
        vector_lr=recipe.vector_lr,
        steps=recipe.steps,
        warmup=recipe.warmup,
        decay_from=recipe.decay_from,
    )
    for _ in range(recipe.steps):
        parts = [next(stream) for _ in range(recipe.parts)]
        wanted = sum(int((part.targets >= 0).sum()) for part in parts)
        model.zero_grad(set_to_none=True)
        total = 0.0
        for part in parts:
            loss = _loss(model, part) / wanted
            loss.backward()
            total += loss.item()
        optimizer.step()
        progress.add(sum(part.ids.numel() for part in parts), total)


def train(tokenizer: tokenizers.Tokenizer, recipe: Recipe) -> tuple[LlamaForCausalLM, int]:
    """Train from scratch; return the model and how many token positions it saw."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = LlamaForCausalLM(configuration(tokenizer))
    initialize(model)
    model.train()
    progress = _Progress(recipe.steps)
    pad_id = control_id(tokenizer, PADDING)
    with closing(batches(tokenizer.to_str(), pad_id, recipe.seed, recipe.part_tokens)) as stream:
        _run(model, stream, recipe, progress)
    return model.eval(), progress.seen
