"""The `ContinuousBatchingManager` of the transformers library, its defaults but for a cache that the workload fits.

python -m benchmarks.contenders.manager CHECKPOINT THREADS DEVICE
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from transformers import ContinuousBatchingConfig

from benchmarks.contenders.child import Run, serve
from benchmarks.contenders.generate import load_model
from benchmarks.workload import Request, Timeline

_PAGE = 256
"""Tokens of a page: the library's default."""


def load(checkpoint: str, threads: str, device: str) -> Run:
    """Load the model; a manager is made for each workload, before its clock starts."""
    torch.set_num_threads(int(threads))
    model = load_model(checkpoint, device)
    return lambda requests, _: _run(model, requests)


def _run(model: Any, requests: list[Request]) -> tuple[list[Timeline], dict[str, Any]]:
    blocks = sum(-(-(len(r.prompt) + r.tokens) // _PAGE) + 1 for r in requests)
    config = ContinuousBatchingConfig(page_size=_PAGE, num_blocks=blocks)
    with model.continuous_batching_context_manager(continuous_batching_config=config) as manager:
        manager.add_request([300] * 8, max_new_tokens=2)
        while not _result(manager).is_finished():
            pass
        return _timelines(manager, requests), {}


def _timelines(manager: Any, requests: list[Request]) -> list[Timeline]:
    started = time.perf_counter()
    due = sorted(enumerate(requests), key=lambda item: item[1].due_s)
    first, last, counts, left = dict[int, float](), dict[int, float](), [0] * len(requests), len(requests)
    while left:
        now = time.perf_counter() - started
        while due and due[0][1].due_s <= now:
            index, request = due.pop(0)
            manager.add_request(request.prompt, request_id=str(index), max_new_tokens=request.tokens, streaming=True)
        wait = due[0][1].due_s - now if due else 60.0
        result = manager.get_result(timeout=max(1e-4, wait))
        if result is None:
            if not due:
                raise RuntimeError("the manager's thread ended, or gave nothing for a minute")
            continue
        if result.error:
            raise RuntimeError(result.error)
        index, last_s = int(result.request_id), time.perf_counter() - started
        first.setdefault(index, last_s)
        last[index], counts[index] = last_s, len(result.generated_tokens)
        left -= result.is_finished()
    return [Timeline(r.due_s, first[i], last[i], counts[i]) for i, r in enumerate(requests)]


def _result(manager: Any) -> Any:
    result = manager.get_result(timeout=60.0)
    if result is None:
        raise RuntimeError("the manager's thread ended, or gave nothing for a minute")
    return result


if __name__ == "__main__":
    serve(lambda: load(*sys.argv[1:]))
