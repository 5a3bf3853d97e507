"""Thousands of mixed requests to one Transformers backend, and what is left of them.

A small model with random weights; short and long prompts, many of which begin alike; greedy and seeded; some readers
leave after a few tokens, some give up after a time; the cache is so small that those who run must give way. Each
request that ends must have the ids and logprobs, to the last bit, that it has alone on an idle engine with a cache of
its own; and at the end nothing may be in use.

With `--context`, instead, one prompt as long as Llama 3.1's context, with its rotary scaling, against the stock model.

    python -m benchmarks stress [--requests 10000] [--at-once 96]
    python -m benchmarks stress --context 131072
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import aclosing, suppress
from typing import Any

import torch
import transformers

from backends.transformers.backend import TransformersBackend
from backends.transformers.scheduler import Scheduler
from backends.transformers.sequence import Sequence
from backends.types import GenerationRequest, Sampling, TokenLogprob
from benchmarks.result import save, table

_VOCAB_SIZE = 300
_SHAPE = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}
_CACHE_GIB = 8192 * 2 * 2 * 2 * 16 * 4 / 2**30  # 8192 tokens of this shape
_KINDS = 200
_LIMIT_S = 1800.0
_LLAMA_31_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

Result = tuple[tuple[int, ...], tuple[TokenLogprob, ...]]


def main() -> None:
    """Run, check, print, save; the exit code tells whether all was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=96)
    parser.add_argument("--context", type=int, help="check one prompt of this many tokens instead")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    if arguments.context:
        good = _long_context(arguments.context)
    else:
        good = asyncio.run(asyncio.wait_for(_stress(arguments.requests, arguments.at_once), _LIMIT_S))
    raise SystemExit(not good)


async def _stress(count: int, at_once: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        _write_model(folder, _SHAPE, max_position_embeddings=2048)
        kinds = _requests(_KINDS)
        alone = await _expected(folder, kinds)
        backend = TransformersBackend(
            checkpoint=folder, device="cpu", max_concurrency=64, cache_gib=_CACHE_GIB, prefix_cache_gib=_CACHE_GIB / 4
        )
        await backend.load()
        outcomes, waits, started = Counter[str](), asyncio.Semaphore(at_once), time.perf_counter()
        _count_preemptions(outcomes)
        source = random.Random(1)

        async def one(kind: int, fate: float, patience: float) -> None:
            async with waits:
                outcomes[await _outcome(backend, kinds[kind], alone[kind], fate, patience)] += 1

        await asyncio.gather(
            *(one(source.randrange(len(kinds)), source.random(), source.uniform(0, 2)) for _ in range(count))
        )
        seconds, health = time.perf_counter() - started, backend.health()
        await backend.close()
    outcomes["in use at the end"] = health.running + health.waiting
    print(table(["outcome", "requests"], [[name, str(number)] for name, number in sorted(outcomes.items())]))
    bad = outcomes["differs"] + outcomes["failed"] + outcomes["in use at the end"]
    path = save("stress", {"outcomes": outcomes, "seconds": seconds})
    print(f"\n{count} requests in {seconds:.0f} s; written to {path}")
    return not bad


def _count_preemptions(outcomes: Counter[str]) -> None:
    """Count, from here on, how often a request had to give way."""
    preempt = Scheduler.preempt

    def counting(scheduler: Scheduler) -> list[Sequence]:
        preempted = preempt(scheduler)
        outcomes["(preemptions on the way)"] += len(preempted)
        return preempted

    Scheduler.preempt = counting  # type: ignore[method-assign, assignment]


async def _expected(folder: str, kinds: list[GenerationRequest]) -> list[Result]:
    backend = TransformersBackend(checkpoint=folder, device="cpu", cache_gib=0.25, prefix_cache_gib=0)
    await backend.load()
    try:
        return [await _read(backend, kind) for kind in kinds]
    finally:
        await backend.close()


async def _outcome(
    backend: TransformersBackend, request: GenerationRequest, alone: Result, fate: float, patience: float
) -> str:
    """Read a request; a tenth leave early, and a tenth give up after `patience` seconds."""
    leaves_after = int(fate * 100) if fate < 0.1 else None
    try:
        reading = _read(backend, request, leaves_after)
        ids, logprobs = await asyncio.wait_for(reading, patience if 0.1 <= fate < 0.2 else None)
    except asyncio.TimeoutError:
        return "gave up"
    except Exception as error:  # noqa: BLE001 - counted, and told
        print(f"failed: {error!r}")
        return "failed"
    if (ids, logprobs) != (alone[0][: len(ids)], alone[1][: len(ids)]) or (leaves_after is None and ids != alone[0]):
        return "differs"
    return "equal" if leaves_after is None else "left early, equal so far"


async def _read(backend: TransformersBackend, request: GenerationRequest, most: int | None = None) -> Result:
    ids, logprobs = list[int](), list[TokenLogprob]()
    async with aclosing(backend.generate(request)) as deltas:
        async for delta in deltas:
            ids += delta.token_ids
            logprobs += delta.logprobs
            if most is not None and len(ids) >= most:
                break
    return tuple(ids), tuple(logprobs)


def _requests(count: int) -> list[GenerationRequest]:
    source = random.Random(0)
    beginning = [source.randrange(_VOCAB_SIZE) for _ in range(384)]
    requests = []
    for number in range(count):
        prompt = beginning[: source.choice((0, 0, 150, 384))]
        prompt = prompt + [source.randrange(_VOCAB_SIZE) for _ in range(source.choice((1, 9, 60, 300)))]
        sampling = Sampling(seed=number, temperature=float(number % 2), top_p=0.95)
        most = source.choice((1, 8, 8, 40, 40, 120, 400))
        requests.append(GenerationRequest(prompt=tuple(prompt), max_tokens=most, sampling=sampling, logprobs=1))
    return requests


def _long_context(length: int) -> bool:
    """One head of 16 and one layer, so that attention over the whole context ends within minutes."""
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    tokens = 16
    with tempfile.TemporaryDirectory() as folder:
        model = _write_model(folder, shape, max_position_embeddings=length, rope_parameters=_LLAMA_31_ROPE)
        ids = torch.randint(_VOCAB_SIZE, (1, length - tokens), generator=torch.Generator().manual_seed(0))
        ours = asyncio.run(_answer(folder, ids[0].tolist(), tokens))
        theirs: list[int] = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )[0, ids.shape[1] :].tolist()
    print(f"{length} positions, the last {tokens} ids: {'equal' if list(ours) == theirs else f'{ours} and {theirs}'}")
    return list(ours) == theirs


async def _answer(folder: str, prompt: list[int], tokens: int) -> tuple[int, ...]:
    backend = TransformersBackend(checkpoint=folder, device="cpu", max_batch_tokens=2048, prefill_chunk=2048)
    await backend.load()
    try:
        request = GenerationRequest(prompt=tuple(prompt), max_tokens=tokens, sampling=Sampling(seed=0, temperature=0.0))
        return (await _read(backend, request))[0]
    finally:
        with suppress(Exception):
            await backend.close()


def _write_model(folder: str, shape: dict[str, Any], **settings: Any) -> Any:
    config = transformers.LlamaConfig(
        **shape,
        **settings,
        num_key_value_heads=max(1, shape["num_attention_heads"] // 2),
        vocab_size=_VOCAB_SIZE,
        initializer_range=0.2,  # wide enough for distributions with a shape
    )
    torch.manual_seed(0)
    model: Any = transformers.LlamaForCausalLM(config)
    model.save_pretrained(folder)
    return model.eval()


if __name__ == "__main__":
    main()
