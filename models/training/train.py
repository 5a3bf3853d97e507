"""Trains the model: a stock `LlamaForCausalLM`, Muon and AdamW, loss on the wanted ids only."""

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import tokenizers
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from llama.chat import BEGIN_OF_TEXT, STOP_TOKENS
from models.training.batch import Batch, batches
from models.training.optimizer import Muon
from models.training.start import initialize
from models.training.tokenizer import CONTROL_TOKENS, PADDING, VOCABULARY_SIZE, control_id


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training with fresh optimizers, from a warm-up to a rate of zero.

    Attributes:
        steps: how many batches.
        first_chunk: where in the corpus it begins.
        matrix_lr: Muon's highest rate.
        vector_lr: AdamW's highest rate.
        decay_from: the share of the steps after which the rates fall.
        warmup: how many steps the rates rise.
    """

    steps: int
    first_chunk: int
    matrix_lr: float
    vector_lr: float
    decay_from: float
    warmup: int = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run depends on, besides the corpus."""

    stages: tuple[Stage, ...] = (Stage(steps=4000, first_chunk=0, matrix_lr=3e-3, vector_lr=2e-3, decay_from=0.2),)
    batch_tokens: int = 2048
    seed: int = 2024
    threads: int = 4

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)


def configuration(tokenizer: tokenizers.Tokenizer) -> LlamaConfig:
    """The Llama 3.1 architecture in small."""
    ids = {name: control_id(tokenizer, name) for name in CONTROL_TOKENS}
    return LlamaConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        hidden_act="silu",
        max_position_embeddings=8192,
        initializer_range=0.04,
        rms_norm_eps=1e-5,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 1024,
        },
        tie_word_embeddings=True,
        attention_bias=False,
        mlp_bias=False,
        bos_token_id=ids[BEGIN_OF_TEXT],
        eos_token_id=[ids[name] for name in STOP_TOKENS],
        pad_token_id=ids[PADDING],
        dtype="float32",
    )


def _loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    wanted = batch.targets >= 0
    logits = model.lm_head(hidden[wanted])
    return F.cross_entropy(logits, batch.targets[wanted])


def _share_of_peak(step: int, stage: Stage) -> float:
    if step < stage.warmup:
        return (step + 1) / stage.warmup
    start = stage.decay_from * stage.steps
    return 1.0 if step < start else max(0.0, (stage.steps - step) / (stage.steps - start))


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


def _run(model: LlamaForCausalLM, stream: Iterator[Batch], stage: Stage, progress: _Progress) -> None:
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, lr=stage.vector_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    for step in range(stage.steps):
        batch = next(stream)
        share = _share_of_peak(step, stage)
        muon.lr = stage.matrix_lr * share
        adam.param_groups[0]["lr"] = stage.vector_lr * share
        loss = _loss(model, batch)
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(others, 1.0)
        muon.step()
        adam.step()
        progress.add(batch.ids.numel(), loss.item())


def train(
    tokenizer: tokenizers.Tokenizer, recipe: Recipe, start: LlamaForCausalLM | None = None
) -> tuple[LlamaForCausalLM, int]:
    """Train from scratch (or on from `start`); return the model and how many token positions it saw."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = start or LlamaForCausalLM(configuration(tokenizer))
    if start is None:
        initialize(model)
    model.train()
    progress = _Progress(recipe.steps)
    pad_id = control_id(tokenizer, PADDING)
    for stage in recipe.stages:
        stream = batches(tokenizer.to_str(), pad_id, recipe.seed, stage.first_chunk, recipe.batch_tokens)
        with closing(stream):
            _run(model, stream, stage, progress)
    return model.eval(), progress.seen
