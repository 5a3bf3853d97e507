"""Tokens per second of the Transformers backend's engine, against `model.generate` on the same weights.

Random weights; greedy; every stream has its own prompt. For each number of streams the engine (all at once) and the
baseline (`generate`, one request after the other, stock layers) take turns; a ratio compares one turn with the next.

    python -m benchmarks.engine [--size 10M 100M] [--streams 1 8 32] [--prompt 64] [--tokens 64] [--repeats 3]
                                [--threads N] [--stock-linears]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import torch
import transformers

from backends.transformers.assembly import build_engine
from backends.transformers.config import TransformersConfig
from backends.transformers.engine import Engine
from backends.types import GenerationRequest, Sampling
from benchmarks.report import save, spread, table

_VOCAB_SIZE = 8192
_SIZES: dict[str, dict[str, Any]] = {
    "10M": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8},
    "100M": {"hidden_size": 768, "intermediate_size": 2560, "num_hidden_layers": 11, "num_attention_heads": 12},
}


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", choices=_SIZES, default=["10M"])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--stock-linears", action="store_true", help="leave the linear layers as they are")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    results = [result for size in arguments.size for result in _measure(size, arguments)]
    header = ["model", "streams", "engine, tokens/s", "generate, tokens/s", "ratio"]
    rows = [
        [r["size"], str(r["streams"]), spread(r["engine"], 0), spread(r["generate"], 0), spread(r["ratios"])]
        for r in results
    ]
    print(table(header, rows))
    print(f"\nwritten to {save('engine', {'settings': vars(arguments), 'results': results})}")


def _measure(size: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        model = _write_checkpoint(folder, size)
        engine, _, _ = build_engine(
            TransformersConfig(
                checkpoint=folder,
                device="cpu",
                max_concurrency=max(arguments.streams),
                num_threads=arguments.threads,
                fused_layers=not arguments.stock_linears,
            )
        )
    assert isinstance(engine, Engine)
    results = []
    for streams in arguments.streams:
        prompts = torch.randint(_VOCAB_SIZE, (streams, arguments.prompt), generator=torch.Generator().manual_seed(0))
        ours, theirs = [], []
        for _ in range(arguments.repeats):
            ours.append(_engine_rate(engine, prompts.tolist(), arguments.tokens))
            # One request after the other: the rate doesn't depend on how many there are, so eight are enough.
            theirs.append(_generate_rate(model, prompts[:8], arguments.tokens))
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        results.append({"size": size, "streams": streams, "engine": ours, "generate": theirs, "ratios": ratios})
    return results


def _write_checkpoint(folder: str, size: str) -> Any:
    config = transformers.LlamaConfig(
        **_SIZES[size], num_key_value_heads=4, vocab_size=_VOCAB_SIZE, max_position_embeddings=8192
    )
    torch.manual_seed(0)
    model: Any = transformers.LlamaForCausalLM(config)
    model.save_pretrained(folder)
    return model.eval()


def _engine_rate(engine: Engine, prompts: list[list[int]], tokens: int) -> float:
    started = time.perf_counter()
    for ticket, prompt in enumerate(prompts):
        sampling = Sampling(seed=0, temperature=0.0)
        engine.add(ticket, GenerationRequest(prompt=tuple(prompt), max_tokens=tokens, sampling=sampling))
    produced = 0
    while engine.running or engine.waiting:
        produced += sum(len(emission.delta.token_ids) for emission in engine.step() if emission.delta)
    if produced != tokens * len(prompts):
        raise RuntimeError(f"{produced} tokens instead of {tokens * len(prompts)}")
    return produced / (time.perf_counter() - started)


def _generate_rate(model: Any, prompts: torch.Tensor, tokens: int) -> float:
    started = time.perf_counter()
    for prompt in prompts:
        model.generate(
            prompt[None],
            attention_mask=torch.ones_like(prompt[None]),
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    return tokens * len(prompts) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
