"""`model.generate`, stock: one request after the other, or all of them as one padded batch.

The batch is static: whoever wants fewer tokens than the longest answer gets them at the batch's end all the same, and
the padding's tokens don't count.

    python -m benchmarks.contenders.generate CHECKPOINT THREADS DEVICE
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
import transformers

from benchmarks.contenders.child import Run, serve
from benchmarks.workload import Request, Timeline


def load(checkpoint: str, threads: str, device: str) -> Run:
    """Load the model as the library does."""
    torch.set_num_threads(int(threads))
    model = load_model(checkpoint, device)
    _batch(model, [Request(0.0, [300] * 8, 4)])
    return lambda requests, options: (_sequential if options["sequential"] else _together)(model, requests)


def load_model(checkpoint: str, device: str) -> Any:
    """Load a checkpoint in the precision it is written in; no end token, so that every answer is as long as asked."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype="auto", device_map=None)
    model.generation_config.eos_token_id = None
    return model.to(device).eval()


def _sequential(model: Any, requests: list[Request]) -> tuple[list[Timeline], dict[str, Any]]:
    started = time.perf_counter()
    timelines = []
    for request in requests:
        due = time.perf_counter() - started
        (times,) = _batch(model, [request])
        timelines.append(Timeline(due, due + times[0], due + times[1], request.tokens))
    return timelines, {}


def _together(model: Any, requests: list[Request]) -> tuple[list[Timeline], dict[str, Any]]:
    times = _batch(model, requests)
    return [Timeline(0.0, first, last, r.tokens) for r, (first, last) in zip(requests, times, strict=True)], {}


def _batch(model: Any, requests: list[Request]) -> list[tuple[float, float]]:
    """Generate for a batch padded on the left; give when each had its first token, and when the batch ended."""
    width = max(len(request.prompt) for request in requests)
    padded = torch.tensor([[0] * (width - len(r.prompt)) + r.prompt for r in requests])
    real = torch.tensor([[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in requests])
    clock = _Clock()
    started = time.perf_counter()
    model.generate(
        padded.to(model.device),
        attention_mask=real.to(model.device),
        max_new_tokens=max(request.tokens for request in requests),
        do_sample=False,
        pad_token_id=0,
        stopping_criteria=transformers.StoppingCriteriaList([clock]),
    )
    ended = time.perf_counter() - started
    return [((clock.first or 0.0) - started, ended)] * len(requests)


class _Clock(transformers.StoppingCriteria):
    """Asked after each token whether to stop; notes when it is first asked."""

    def __init__(self) -> None:
        self.first: float | None = None

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> Any:
        self.first = self.first or time.perf_counter()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


if __name__ == "__main__":
    serve(lambda: load(*sys.argv[1:]))
