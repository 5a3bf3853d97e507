"""llama.cpp, float32, through the C interface that llama-cpp-python binds: one ragged batch per step.

Runs in the environment of the peers.

    python -m benchmarks.contenders.llama_cpp GGUF THREADS SLOTS CACHE_TOKENS
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import llama_cpp
import numpy as np

from benchmarks.contenders.child import Run, serve
from benchmarks.workload import Request, Timeline

_BATCH_TOKENS = 512
"""Of a step, decoding and prefill together."""


@dataclass
class _Stream:
    index: int
    request: Request
    slot: int
    position: int = 0
    answer: list[int] = field(default_factory=list)

    def due(self, room: int) -> list[int]:
        """Give the ids to compute next: a piece of the prompt, or the last id chosen."""
        prompt = self.request.prompt
        return prompt[self.position : self.position + room] if self.position < len(prompt) else self.answer[-1:]


class _Engine:
    """A context of llama.cpp, and which of its sequences are free."""

    def __init__(self, path: str, threads: int, slots: int, cache_tokens: int) -> None:
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self._model:
            raise RuntimeError(f"llama.cpp can't load {path}")
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max, settings.kv_unified = cache_tokens, slots, True
        settings.n_batch = settings.n_ubatch = _BATCH_TOKENS
        settings.n_threads = settings.n_threads_batch = threads
        settings.type_k = settings.type_v = 0  # GGML_TYPE_F32, as everywhere in this comparison
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        if not self._context:
            raise RuntimeError("llama.cpp can't make a context")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._batch = llama_cpp.llama_batch_init(_BATCH_TOKENS, 0, 1)
        self.free = list(range(slots))

    def step(self, streams: list[_Stream]) -> list[_Stream]:
        """Compute one batch, those who decode first; give who got a token."""
        streams = sorted(streams, key=lambda stream: not stream.answer)
        batch, sampled, size = self._batch, list[tuple[_Stream, int]](), 0
        for stream in streams:
            ids = stream.due(_BATCH_TOKENS - size)
            for token in ids:
                batch.token[size], batch.pos[size] = token, stream.position
                batch.n_seq_id[size], batch.seq_id[size][0] = 1, stream.slot
                stream.position += 1
                batch.logits[size] = stream.position >= len(stream.request.prompt)
                size += 1
            if ids and stream.position >= len(stream.request.prompt):
                sampled.append((stream, size - 1))
        batch.n_tokens = size
        if code := llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode gave {code}")
        for stream, row in sampled:
            logits = llama_cpp.llama_get_logits_ith(self._context, row)
            stream.answer.append(int(np.ctypeslib.as_array(logits, (self._vocab_size,)).argmax()))
        return [stream for stream, _ in sampled]

    def release(self, stream: _Stream) -> None:
        """Forget a sequence."""
        llama_cpp.llama_memory_seq_rm(self._memory, stream.slot, -1, -1)
        self.free.append(stream.slot)


def load(path: str, threads: str, slots: str, cache_tokens: str) -> Run:
    """Load the model."""
    engine = _Engine(path, int(threads), int(slots), int(cache_tokens))
    return lambda requests, _: _run(engine, requests)


def _run(engine: _Engine, requests: list[Request]) -> tuple[list[Timeline], dict[str, Any]]:
    started = time.perf_counter()
    due = sorted(enumerate(requests), key=lambda item: item[1].due_s)
    streams = list[_Stream]()
    first, last = dict[int, float](), dict[int, float]()
    while due or streams:
        now = time.perf_counter() - started
        while due and due[0][1].due_s <= now and engine.free:
            index, request = due.pop(0)
            streams.append(_Stream(index, request, engine.free.pop()))
        if not streams:
            time.sleep(max(0.0, due[0][1].due_s - now))
            continue
        for stream in engine.step(streams):
            last[stream.index] = time.perf_counter() - started
            first.setdefault(stream.index, last[stream.index])
            if len(stream.answer) == stream.request.tokens:
                engine.release(stream)
                streams.remove(stream)
    return [Timeline(r.due_s, first[i], last[i], r.tokens) for i, r in enumerate(requests)], {}


if __name__ == "__main__":
    serve(lambda: load(*sys.argv[1:]))
