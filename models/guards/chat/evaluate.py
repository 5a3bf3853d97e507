"""Measures the guard on held-out conversations: greedy decoding, the decision and the whole verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import tokenizers
import torch
from transformers import LlamaForCausalLM

from models.guards.chat import probe
from models.guards.chat.corpus import KINDS, Case, Turn, held_out_cases
from models.guards.chat.encoding import CaseEncoder
from models.guards.chat.hazard import CATEGORIES

_BATCH = 32
_LIMIT = 12


@dataclass(slots=True)
class Score:
    """Counts over cases of one kind.

    Attributes:
        asked: cases.
        unsafe: those that are unsafe.
        caught: unsafe ones that were called unsafe.
        alarms: safe ones that were called unsafe.
        exact: verdicts right to the last character.
        misses: some of the wrong ones.
    """

    asked: int = 0
    unsafe: int = 0
    caught: int = 0
    alarms: int = 0
    exact: int = 0
    misses: list[dict[str, str]] = field(default_factory=list)

    @property
    def decided(self) -> int:
        """Right decisions."""
        return self.asked - (self.unsafe - self.caught) - self.alarms

    def add(self, case: Case, got: str) -> None:
        """Count a verdict."""
        wanted = case.verdict
        unsafe, flagged = wanted != "safe", got.split("\n", 1)[0] != "safe"
        self.asked += 1
        self.unsafe += unsafe
        self.caught += unsafe and flagged
        self.alarms += flagged and not unsafe
        self.exact += got == wanted
        if got != wanted:
            self.misses.append({"message": case.turns[-1].content, "wanted": wanted, "got": got})

    def as_dict(self) -> dict[str, Any]:
        """For `evaluation.json`."""
        counts = {name: getattr(self, name) for name in ("asked", "unsafe", "caught", "alarms", "decided", "exact")}
        return {**counts, "accuracy": round(self.decided / self.asked, 4), "misses": self.misses[:6]}


@torch.inference_mode()
def judge(model: LlamaForCausalLM, encoder: CaseEncoder, cases: Sequence[Case]) -> list[str]:
    """Give the guard's verdict on each case."""
    rows = [encoder.row(case) for case in cases]
    prompts = [row.prompt for row in rows]
    pad_id = model.config.pad_token_id
    verdicts = [""] * len(cases)
    order = sorted(range(len(cases)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), _BATCH):
        indices = order[start : start + _BATCH]
        width = max(len(prompts[index]) for index in indices)
        padding = [width - len(prompts[index]) for index in indices]
        ids = torch.tensor([[pad_id] * gap + prompts[index] for gap, index in zip(padding, indices, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * (width - gap) for gap in padding])
        out: Any = model.generate(  # type: ignore[misc]
            input_ids=ids, attention_mask=mask, max_new_tokens=_LIMIT, do_sample=False
        )
        for index, tokens in zip(indices, out[:, width:].tolist(), strict=True):
            end = tokens.index(encoder.end_of_turn) if encoder.end_of_turn in tokens else len(tokens)
            pieces = map(encoder.tokenizer.piece, tokens[:end])
            verdicts[index] = b"".join(pieces).decode(errors="replace")
    return verdicts


def _score(model: LlamaForCausalLM, encoder: CaseEncoder, cases: Sequence[Case]) -> Score:
    score = Score()
    for case, verdict in zip(cases, judge(model, encoder, cases), strict=True):
        score.add(case, verdict)
    return score


def _total(scores: Sequence[Score]) -> dict[str, Any]:
    asked = sum(score.asked for score in scores)
    unsafe = sum(score.unsafe for score in scores)
    caught = sum(score.caught for score in scores)
    alarms = sum(score.alarms for score in scores)
    return {
        "asked": asked,
        "accuracy": round(sum(score.decided for score in scores) / asked, 4),
        "precision": round(caught / max(1, caught + alarms), 4),
        "recall": round(caught / unsafe, 4),
        "false_positive_rate": round(alarms / (asked - unsafe), 4),
        "exact": round(sum(score.exact for score in scores) / asked, 4),
    }


def evaluate(
    model: LlamaForCausalLM, tokenizer: tokenizers.Tokenizer, seed: int, count: int, threads: int
) -> dict[str, Any]:
    """Score every kind on `count` cases, every category on its requests, and the requests written by hand."""
    torch.set_num_threads(threads)
    encoder = CaseEncoder(tokenizer.to_str())
    kinds = {}
    categories = {code: Score() for code in CATEGORIES}
    for kind in KINDS:
        size = count * 2 if kind == "request" else count
        cases = list(held_out_cases(seed, kind, size))
        score = Score()
        for case, verdict in zip(cases, judge(model, encoder, cases), strict=True):
            score.add(case, verdict)
            if kind == "request":
                categories[case.turns[-1].codes[0]].add(case, verdict)
        kinds[kind] = score
        print(f"{kind:20s} {score.decided:4d}/{score.asked:<4d} exact {score.exact}", flush=True)
    probes = {
        "unsafe": [Case("by hand", (Turn("user", text, (code,)),)) for code, text in probe.UNSAFE],
        "safe": [Case("by hand", (Turn("user", text),)) for text in probe.SAFE],
    }
    return {
        "total": _total(list(kinds.values())),
        "kinds": [{"kind": kind, **score.as_dict()} for kind, score in kinds.items()],
        "categories": [
            {"code": code, "name": CATEGORIES[code], "asked": score.asked, "caught": score.caught, "exact": score.exact}
            for code, score in categories.items()
        ],
        "by_hand": {name: _score(model, encoder, cases).as_dict() for name, cases in probes.items()},
    }
