"""Configuration of the TensorRT-LLM backend. Imports nothing heavy, so that a config can be read anywhere.

The names beside the fields are TensorRT-LLM 1.2's own, for whoever knows those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Sampler(Enum):
    """What chooses tokens in the PyTorch flow (`sampler_type`); each can do what the other can't."""

    trtllm = "trtllm"
    """`TRTLLMSampler`, in C++: seeds, penalties, min_p, logit_bias, response formats; no logprobs."""
    torch = "torch"
    """`TorchSampler`, TensorRT-LLM's default: logprobs, speculative decoding; 1.2's ignores seeds, penalties, min_p."""


class Policy(Enum):
    """What the scheduler promises (`capacity_scheduler_policy`)."""

    guaranteed_no_evict = "guaranteed_no_evict"
    """A request that has begun has memory to its end."""
    max_utilization = "max_utilization"
    """As many at once as fit now; some are paused, and computed anew, when memory runs out."""


class Drafter(Enum):
    """Where the drafts of speculative decoding come from."""

    none = "none"
    ngram = "ngram"
    """What followed the same ids earlier in prompt and answer."""
    eagle = "eagle"
    """An EAGLE-3 head made for the model."""
    draft_model = "draft_model"
    """A smaller model with the same vocabulary."""


@dataclass(kw_only=True)
class Parallel:
    """How the model is spread over GPUs.

    Attributes:
        tensor: GPUs that share each layer (`tensor_parallel_size`).
        pipeline: groups of GPUs that follow each other, layer by layer (`pipeline_parallel_size`).
        gpus_per_node: where there are several nodes (`gpus_per_node`).
    """

    tensor: int = 1
    pipeline: int = 1
    gpus_per_node: int | None = None


@dataclass(kw_only=True)
class KvCache:
    """Memory for keys and values.

    Attributes:
        dtype: "auto" (what the checkpoint says), "fp8", or "nvfp4", which wants a Blackwell GPU and a checkpoint made
            for it (`dtype`). A compiled engine has its own: leave it at auto there.
        memory_fraction: of the GPU memory that is free once the weights are loaded (`free_gpu_memory_fraction`).
        block_reuse: keep what prompts have in common (`enable_block_reuse`).
        partial_reuse: also of a block that is shared in part (`enable_partial_reuse`).
        tokens_per_block: a power of two (`tokens_per_block`).
    """

    dtype: str = "auto"
    memory_fraction: float = 0.9
    block_reuse: bool = True
    partial_reuse: bool = True
    tokens_per_block: int = 32


@dataclass(kw_only=True)
class CudaGraph:
    """Recorded decode steps, of the PyTorch flow.

    Attributes:
        enabled: record them (`cuda_graph_config`).
        batch_sizes: to record; null for TensorRT-LLM's choice up to `max_concurrency` (`batch_sizes`).
        padding: round a batch up to the next recorded size (`enable_padding`).
    """

    enabled: bool = True
    batch_sizes: list[int] | None = None
    padding: bool = True


@dataclass(kw_only=True)
class Speculative:
    """Speculative decoding, of the PyTorch flow. It wants `sampler: torch`.

    Attributes:
        drafter: where drafts come from: `none`, `ngram` (what followed the same ids earlier), `eagle` (an EAGLE-3 head
            made for the model) or `draft_model` (a smaller model with the same vocabulary).
        max_draft_tokens: ids drafted per step (`max_draft_len`).
        model: folder of the EAGLE head or of the draft model (`speculative_model`).
        max_ngram: ids of the longest n-gram looked up (`max_matching_ngram_size`).
    """

    drafter: Drafter = Drafter.none
    max_draft_tokens: int = 3
    model: str | None = None
    max_ngram: int = 3


@dataclass(kw_only=True)
class Lora:
    """One LoRA adapter, on for every request.

    Attributes:
        adapter: its folder, as PEFT saves it; null for none. It wants `cuda_graph.enabled: false`.
        max_rank: at least the adapter's (`max_lora_rank`).
    """

    adapter: str | None = None
    max_rank: int = 64


@dataclass(kw_only=True)
class Statistics:
    """The engine's own account of itself.

    Attributes:
        enabled: have it kept (`enable_iter_perf_stats`), and told in `health`. PyTorch flow only.
    """

    enabled: bool = True


@dataclass(kw_only=True)
class TensorrtLlmConfig:
    """Structured config (Hydra) of `TensorrtLlmBackend`; the fields are its constructor's arguments.

    Attributes:
        checkpoint: folder of the checkpoint: config.json, tokenizer, and, without `engine`, the weights.
        engine: folder of a compiled engine (`config.json`, `rank0.engine`, ...), made of that checkpoint; null for the
            PyTorch flow, which takes the checkpoint itself.
        sampler: what chooses tokens in the PyTorch flow: `trtllm` heeds seeds, penalties, min_p, logit_bias and
            response formats; `torch` reports logprobs, and is what speculative decoding needs (`sampler_type`).
        context_length: prompt and answer together, in tokens; null for the model's own (`max_seq_len`).
        max_concurrency: requests computed at once; more wait, first come, first served (`max_batch_size`).
        max_batch_tokens: tokens of a step (`max_num_tokens`).
        chunked_prefill: compute long prompts in pieces; without it, a prompt above `max_batch_tokens` is refused
            (`enable_chunked_prefill`).
        stream_interval: ids of a request that the PyTorch flow gathers before it hands them over; the first comes at
            once (`stream_interval`).
        scheduler: `guaranteed_no_evict`: a request that has begun has memory to its end; `max_utilization`: as many at
            once as fit now, and some are computed anew when memory runs out (`capacity_scheduler_policy`).
        response_formats: let answers be held to a form, by xgrammar (`guided_decoding_backend`); with `sampler: trtllm`
            only.
        silence_s: an engine that makes no step for so long, while requests run, is taken for dead: 1.2 can lose its
            GPU and go on calling itself healthy.
        parallel: GPUs.
        kv_cache: memory for keys and values.
        cuda_graph: recorded decode steps.
        speculative: speculative decoding.
        lora: an adapter.
        statistics: the engine's own account.
    """

    _target_: str = "backends.tensorrt_llm.backend.TensorrtLlmBackend"
    checkpoint: str = "???"  # OmegaConf's mark for a mandatory value
    engine: str | None = None
    sampler: Sampler = Sampler.trtllm
    context_length: int | None = None
    max_concurrency: int = 256
    max_batch_tokens: int = 8192
    chunked_prefill: bool = True
    stream_interval: int = 1
    scheduler: Policy = Policy.guaranteed_no_evict
    response_formats: bool = True
    silence_s: float = 120.0
    parallel: Parallel = field(default_factory=Parallel)
    kv_cache: KvCache = field(default_factory=KvCache)
    cuda_graph: CudaGraph = field(default_factory=CudaGraph)
    speculative: Speculative = field(default_factory=Speculative)
    lora: Lora = field(default_factory=Lora)
    statistics: Statistics = field(default_factory=Statistics)


_GROUPS: Mapping[str, type[Any]] = {
    "parallel": Parallel,
    "kv_cache": KvCache,
    "cuda_graph": CudaGraph,
    "speculative": Speculative,
    "lora": Lora,
    "statistics": Statistics,
}


def configured(settings: Mapping[str, Any]) -> TensorrtLlmConfig:
    """Make and check a config; groups may be given as mappings, which is how Hydra gives them.

    Raises:
        TypeError: a key is unknown.
        ValueError: a value is outside its range, or two don't go together.
    """
    config = TensorrtLlmConfig(**settings)
    for name, group in _GROUPS.items():
        value = getattr(config, name)
        if isinstance(value, Mapping):
            setattr(config, name, group(**value))
    _check_ranges(config)
    _check_together(config)
    return config


def _check_ranges(config: TensorrtLlmConfig) -> None:
    positive = {
        "context_length": config.context_length,
        "max_concurrency": config.max_concurrency,
        "max_batch_tokens": config.max_batch_tokens,
        "stream_interval": config.stream_interval,
        "parallel.tensor": config.parallel.tensor,
        "parallel.pipeline": config.parallel.pipeline,
        "parallel.gpus_per_node": config.parallel.gpus_per_node,
        "kv_cache.tokens_per_block": config.kv_cache.tokens_per_block,
        "speculative.max_draft_tokens": config.speculative.max_draft_tokens,
        "speculative.max_ngram": config.speculative.max_ngram,
        "lora.max_rank": config.lora.max_rank,
    }
    for name, value in positive.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} {value}: must be above 0")
    if not 0 < config.silence_s < math.inf:
        raise ValueError(f"silence_s {config.silence_s}: must be above 0, and finite")
    if config.context_length == 1:
        raise ValueError("context_length 1: no room for a prompt and an answer")
    if not 0 < config.kv_cache.memory_fraction < 1:
        raise ValueError(f"kv_cache.memory_fraction {config.kv_cache.memory_fraction}: must be above 0 and below 1")
    if config.kv_cache.tokens_per_block & (config.kv_cache.tokens_per_block - 1):
        raise ValueError(f"kv_cache.tokens_per_block {config.kv_cache.tokens_per_block}: must be a power of two")
    if config.kv_cache.dtype not in ("auto", "fp8", "nvfp4"):
        raise ValueError(f"kv_cache.dtype {config.kv_cache.dtype!r}: one of auto, fp8, nvfp4")


def _check_together(config: TensorrtLlmConfig) -> None:
    drafter = config.speculative.drafter
    if config.engine is not None and config.kv_cache.dtype != "auto":
        raise ValueError("kv_cache.dtype: a compiled engine has its own; leave it at auto, or rebuild the engine")
    if config.engine is not None and drafter is not Drafter.none:
        raise ValueError("speculative.drafter: drafts need the PyTorch flow; set it to none, or leave out `engine`")
    if config.engine is not None and config.lora.adapter is not None:
        raise ValueError("lora.adapter: adapters need the PyTorch flow; leave it out, or leave out `engine`")
    if config.engine is not None and config.sampler is not Sampler.trtllm:
        raise ValueError("sampler: a compiled engine has the C++ sampler; leave it at trtllm, or leave out `engine`")
    if drafter is not Drafter.none and config.sampler is not Sampler.torch:
        raise ValueError("sampler: speculative decoding needs TensorRT-LLM's torch sampler; set it to torch")
    if drafter is Drafter.eagle and config.parallel.pipeline > 1:
        raise ValueError("speculative.drafter: eagle drafts for one pipeline stage; set parallel.pipeline to 1")
    if config.lora.adapter is not None and config.cuda_graph.enabled:
        raise ValueError("cuda_graph.enabled: recorded steps leave adapters out; set it to false")
    if drafter in (Drafter.eagle, Drafter.draft_model) and config.speculative.model is None:
        raise ValueError(f"speculative.model: {drafter.value} needs a model; give its folder")
