"""Configuration of the Transformers backend. Imports nothing heavy, so that a config can be read anywhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class TransformersConfig:
    """Structured config (Hydra) of `TransformersBackend`; the fields are its constructor's arguments.

    Attributes:
        checkpoint: folder with `config.json` and safetensors weights of a `LlamaForCausalLM` or of a sequence
            classifier (`*ForSequenceClassification`).
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        dtype: "float32", "bfloat16", "float16", or "auto": float32 on CPU, the checkpoint's own on CUDA.
        max_concurrency: requests computed at once; more wait, first come, first served.
        max_batch_tokens: tokens of a step, above which no further prefill chunk joins it. Decoding requests are always
            in the step, and one chunk is too: so this bounds how long a step holds up those who decode. Of a
            classifier: tokens of a batch, padding counted in, above which no further window joins it.
        prefill_chunk: tokens of a prefill chunk. Chunks end at its multiples whatever else runs, so that a prompt is
            always computed in the same pieces.
        context_length: prompt and answer together, in tokens; None for the model's own, or what the cache can hold.
        cache_gib: memory promised to requests for keys and values, in GiB; None for half of what is free after loading
            (CUDA: 0.8). Rows made ahead may add as much again, but never more than 33,376 tokens take; and for a moment
            there are two copies of a request that moves to another row.
        prefix_cache_gib: memory that keeps the beginnings of prompts for requests that begin alike, in GiB; None for a
            quarter of `cache_gib`, 0 to keep none. Who may measure times can tell whether a beginning was kept.
        num_threads: PyTorch's intra-op threads on CPU, for the process; None for one where the model has less than 20
            million parameters, and PyTorch's choice above, within the container's quota.
        fused_layers: on CPU in float32, compute the layers in fewer operations over weights packed for oneDNN: faster,
            and the same results whatever the batch mates. Off: the stock layers.
    """

    _target_: str = "backends.transformers.backend.TransformersBackend"
    checkpoint: str = "???"  # OmegaConf's mark for a mandatory value
    device: str = "auto"
    dtype: str = "auto"
    max_concurrency: int = 64
    max_batch_tokens: int = 512
    prefill_chunk: int = 128
    context_length: int | None = None
    cache_gib: float | None = None
    prefix_cache_gib: float | None = None
    num_threads: int | None = None
    fused_layers: bool = True
