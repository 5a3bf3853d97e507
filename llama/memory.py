"""How much memory a model takes: weights, keys and values, a step's workspace; and what training takes.

Sizes are bytes, and decimal (1 GB is 1e9 bytes) where they are shown. Weights and cache are exact; the workspace is an
estimate, whose formula stands at `workspace_bytes`. Everything is per device: `shard` is what one of a tensor-parallel
group holds, and a pipeline stage holds some of the layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from llama.architecture import Architecture, Decoder


class Precision(Enum):
    """How numbers are stored. `bf16` stands for float16 too, which takes as much."""

    f32 = "f32"
    bf16 = "bf16"
    fp8 = "fp8"
    int8 = "int8"
    int4 = "int4"

    @property
    def bits(self) -> int:
        """Bits of a number, its share of a scale not counted."""
        return {"f32": 32, "bf16": 16, "fp8": 8, "int8": 8, "int4": 4}[self.value]

    @property
    def wide(self) -> int:
        """Bytes of a number in what is never quantized: embedding, output layer, norms, biases, activations."""
        return 4 if self is Precision.f32 else 2


CACHE_PRECISIONS = (Precision.f32, Precision.bf16, Precision.fp8, Precision.int8)
"""What keys and values are stored in."""

_GROUP = 128  # weights that share a scale in int4

CACHE_BLOCK = 32
"""Tokens of a block of the cache: a sequence takes whole ones. TensorRT-LLM's default (`tokens_per_block`)."""


def layer_bytes(model: Decoder, precision: Precision) -> int:
    """Bytes of one layer's parameters.

    The seven projections are quantized, with their scales: fp8 has two float32 numbers a projection (weights, input),
    int8 one float32 number an output, int4 a 16-bit scale and a 4-bit zero point per 128 weights, as AWQ has. That is
    what NVIDIA Model Optimizer makes of all linear layers but the output layer; Meta's own FP8 checkpoint of 405B keeps
    the attention projections in 16 bits and is larger.
    """
    scales = {
        Precision.fp8: 7 * 2 * 4,
        Precision.int8: model.layer_outputs * 4,
        Precision.int4: model.layer_linear * 20 // (8 * _GROUP),
    }
    weights = model.layer_linear * precision.bits // 8
    return weights + scales.get(precision, 0) + model.layer_rest * precision.wide


def weights_bytes(model: Architecture, precision: Precision) -> int:
    """Bytes of all parameters on one device. An encoder is not quantized: precisions below 16 bits count as 16."""
    if not isinstance(model, Decoder):
        return model.parameters * precision.wide
    return model.layers * layer_bytes(model, precision) + _ends(model) * precision.wide


def unquantized_parameters(model: Decoder) -> int:
    """Parameters that stay in 16 bits under fp8, int8 and int4: embedding, output layer, norms, biases."""
    return model.layers * model.layer_rest + _ends(model)


def _ends(model: Decoder) -> int:
    """Parameters that belong to no layer."""
    return model.embedding * (1 if model.tied else 2) + model.hidden


def shard(model: Decoder, tensor: int) -> Decoder:
    """Return what one of `tensor` devices holds of each layer, as a model of its own.

    Query heads, the feed-forward layer and the rows of embedding and output layer are divided; so are key heads, and
    where there are fewer than devices each is held by several. Norms are held by all.
    """
    return dataclasses.replace(
        model,
        heads=model.heads // tensor,
        kv_heads=max(1, model.kv_heads // tensor),
        intermediate=model.intermediate // tensor,
        vocabulary=-(-model.vocabulary // tensor),
    )


def stage_bytes(model: Decoder, precision: Precision, pipeline: int) -> int:
    """Bytes of the parameters of the largest of `pipeline` stages.

    The first stages have a layer more where they can't have equally many. The first has the embedding, and the last the
    output layer and the last norm; a tied one is then held twice.
    """
    if pipeline == 1:
        return weights_bytes(model, precision)
    layer, embedding = layer_bytes(model, precision), model.embedding * precision.wide
    first = -(-model.layers // pipeline) * layer + embedding
    last = model.layers // pipeline * layer + embedding + model.hidden * precision.wide
    return max(first, last)


def cache_bytes_per_token(model: Architecture, precision: Precision, pipeline: int = 1) -> int:
    """Bytes of a token's keys and values in the largest stage: 2 x layers x key heads x width of a head x bytes."""
    if not isinstance(model, Decoder):
        return 0
    layers = -(-model.layers // pipeline)
    return 2 * layers * model.kv_heads * model.head_dim * precision.bits // 8


def cache_tokens(free_bytes: int, bytes_per_token: int, share: float = 1.0) -> int:
    """Tell how many tokens' keys and values fit into a share of what is free.

    Args:
        free_bytes: of the device, after the weights are there; below zero is none.
        bytes_per_token: see `cache_bytes_per_token`.
        share: of it that the cache may take, in (0, 1].
    """
    return int(max(0, free_bytes) * share) // bytes_per_token


def workspace_bytes(model: Architecture, precision: Precision, step_tokens: int) -> int:
    """Estimate the memory that a step of so many tokens works in, beyond weights and cache.

    Of a decoder: per token the residual stream, its normed copy and a projection's result (3 x hidden), and the widest
    place of a layer: queries, keys, values and what attention makes of them, or gate, up and their product. Layers use
    the same memory in turn, and attention is taken to be fused, so that it holds no scores. Of an encoder: the same,
    and three float32 score matrices per head, of content and of the two relative positions, for each window.
    """
    attention = model.heads * _head_dim(model)
    if isinstance(model, Decoder):
        widest = max(2 * attention + 2 * model.kv_heads * model.head_dim, 3 * model.intermediate)
        return step_tokens * (3 * model.hidden + widest) * precision.wide
    widest = max(4 * attention, 2 * model.intermediate)
    scores = 3 * 4 * model.heads * step_tokens * model.positions
    return step_tokens * (3 * model.hidden + widest) * precision.wide + scores


def _head_dim(model: Architecture) -> int:
    return model.head_dim if isinstance(model, Decoder) else model.hidden // model.heads


def logits_bytes(model: Architecture) -> int:
    """Bytes of one sequence's logits while the next token is chosen: in 16 bits, and in float32."""
    return model.vocabulary * (2 + 4) if isinstance(model, Decoder) else 0


@dataclass(frozen=True)
class Training:
    """Memory that training takes, in GB, as Hugging Face published it for 16-bit weights.

    These figures fit no formula, so they are kept as they were published: "Llama 3.1 - 405B, 70B & 8B with
    multilinguality and long context", https://huggingface.co/blog/llama31. They say which kind of machine is meant,
    not what a run takes.
    """

    full_gb: int
    lora_gb: int
    qlora_gb: int


TRAINING: Mapping[str, Training] = {
    "llama-3.1-8b": Training(60, 16, 6),
    "llama-3.1-70b": Training(300, 160, 48),
    "llama-3.1-405b": Training(3250, 950, 250),
}
