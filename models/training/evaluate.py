"""Measures the model, skill by skill, on held-out prompts: greedy decoding, the whole answer must be right."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import tokenizers
import torch
from transformers import LlamaForCausalLM

from llama.chat import STOP_TOKENS
from models.training.completion import SKILL as COMPLETION
from models.training.corpus import EVALUATED, held_out_dialogs
from models.training.encoding import DialogEncoder
from models.training.sample import Dialog

_BATCH = 40


@dataclass(frozen=True, slots=True)
class Miss:
    """A wrong answer."""

    question: str
    wanted: str
    got: str


@dataclass(slots=True)
class Score:
    """How many of a skill's held-out prompts were answered exactly right."""

    skill: str
    asked: int = 0
    right: int = 0
    misses: list[Miss] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.asked


@torch.inference_mode()
def answer(model: LlamaForCausalLM, prompts: Sequence[list[int]], limit: int, stop: frozenset[int]) -> list[list[int]]:
    """Continue each prompt greedily. All prompts have the same length, so no row is padded."""
    ids = torch.tensor(prompts)
    out: list[list[int]] = [[] for _ in prompts]
    alive = [True] * len(prompts)
    cache = None
    for _ in range(limit):
        step = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = step.past_key_values
        ids = step.logits[:, -1].argmax(-1, keepdim=True)
        for row, token in enumerate(ids[:, 0].tolist()):
            alive[row] = alive[row] and token not in stop
            if alive[row]:
                out[row].append(token)
        if not any(alive):
            break
    return out


def _same_length(prompts: list[list[int]]) -> Iterator[list[int]]:
    """Group the indices of prompts by length, so that batching never pads (and never changes an answer)."""
    by_length: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(index)
    for indices in by_length.values():
        for start in range(0, len(indices), _BATCH):
            yield indices[start : start + _BATCH]


def _question(dialog: Dialog) -> str:
    return dialog.text[0][0] if dialog.text else dialog.messages[-2].content


def score_skill(model: LlamaForCausalLM, encoder: DialogEncoder, dialogs: Sequence[Dialog]) -> Score:
    """Score one skill's dialogs."""
    stop = frozenset(encoder.tokenizer.control_ids[name] for name in STOP_TOKENS)
    prompts = [encoder.prompt(dialog) for dialog in dialogs]
    score = Score(dialogs[0].skill)
    for indices in _same_length(prompts):
        wanted = [encoder.tokenizer.encode(dialogs[i].answer) for i in indices]
        limit = max(map(len, wanted)) + 4
        for i, got in zip(indices, answer(model, [prompts[i] for i in indices], limit, stop), strict=True):
            text = b"".join(map(encoder.tokenizer.piece, got)).decode(errors="replace")
            expected = dialogs[i].answer
            right = text.startswith(expected) if score.skill == COMPLETION else text == expected
            score.asked += 1
            score.right += right
            if not right:
                score.misses.append(Miss(_question(dialogs[i]), expected, text))
    return score


def evaluate(
    model: LlamaForCausalLM, tokenizer: tokenizers.Tokenizer, seed: int, count: int, threads: int
) -> list[Score]:
    """Score every skill on `count` held-out prompts, showing progress."""
    torch.set_num_threads(threads)
    encoder = DialogEncoder(tokenizer.to_str())
    scores = []
    for skill in EVALUATED:
        started = time.monotonic()
        score = score_skill(model, encoder, list(held_out_dialogs(seed, skill, count)))
        print(
            f"{skill:28s} {score.right:4d}/{score.asked:<4d} {score.accuracy:7.1%}  "
            f"{time.monotonic() - started:4.0f} s",
            flush=True,
        )
        scores.append(score)
    return scores
