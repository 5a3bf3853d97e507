"""The Transformers backend's engine, stepped in a loop as its worker does.

python -m benchmarks.contenders.paddock CHECKPOINT THREADS SLOTS DEVICE CACHE_GIB [BACKEND_KEY=VALUE...]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from backends.transformers.assembly import build_engine
from backends.transformers.config import TransformersConfig
from backends.transformers.engine import Engine
from backends.types import GenerationRequest, Sampling
from benchmarks.contenders.child import Run, serve
from benchmarks.trace import Recorder
from benchmarks.workload import Request, Timeline


def load(checkpoint: str, threads: str, slots: str, device: str, cache_gib: str, *settings: str) -> Run:
    """Build the engine."""
    config = TransformersConfig(
        checkpoint=checkpoint,
        device=device,
        max_concurrency=int(slots),
        num_threads=int(threads),
        cache_gib=float(cache_gib),
        **{key: json.loads(value) for key, _, value in (setting.partition("=") for setting in settings)},
    )
    torch.set_num_threads(int(threads))
    engine, _, _ = build_engine(config)
    assert isinstance(engine, Engine)
    built: Engine = engine
    return lambda requests, options: _run(built, requests, options)


def _run(engine: Engine, requests: list[Request], options: dict[str, Any]) -> tuple[list[Timeline], dict[str, Any]]:
    recorder = Recorder(engine, synchronize=torch.cuda.is_available())
    due = sorted(enumerate(requests), key=lambda item: item[1].due_s)
    first, last = dict[int, float](), dict[int, float]()
    counts = [0] * len(requests)
    with recorder:
        started = time.perf_counter()
        while due or engine.running or engine.waiting:
            now = time.perf_counter() - started
            while due and due[0][1].due_s <= now:
                ticket, request = due.pop(0)
                engine.add(ticket, _greedy(request))
            if not (engine.running or engine.waiting):
                time.sleep(max(0.0, due[0][1].due_s - now))
                continue
            emissions = engine.step()
            now = time.perf_counter() - started
            for emission in emissions:
                if emission.error is not None:
                    raise RuntimeError(str(emission.error))
                if emission.delta is not None and emission.delta.token_ids:
                    first.setdefault(emission.ticket, now)
                    last[emission.ticket] = now
                    counts[emission.ticket] += len(emission.delta.token_ids)
    timelines = [Timeline(r.due_s, first[i], last[i], counts[i]) for i, r in enumerate(requests)]
    if options.get("trace"):
        recorder.write(Path(options["trace"]), timelines, started)
    return timelines, recorder.summary()


def _greedy(request: Request) -> GenerationRequest:
    sampling = Sampling(seed=0, temperature=0.0)
    return GenerationRequest(prompt=tuple(request.prompt), max_tokens=request.tokens, sampling=sampling)


if __name__ == "__main__":
    serve(lambda: load(*sys.argv[1:]))
